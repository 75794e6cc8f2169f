// Command badday kills a registry and fills its disk, round after round, and checks each
// time that everything that was acknowledged is still there.
//
//	badday -registry bin/registry -rounds 100
//	badday -registry bin/registry -rounds 0 -for 2h -seed 16
//
// It prints a line for each round and a summary, and exits with status 1 when something was
// lost, when a read was told that something acknowledged does not exist, or when SIGTERM did
// not end the registry in time.
//
// Limits: it needs Linux and root, because the disks are a small tmpfs and an ext4 image on a
// loop device. A seed repeats what is pushed and when something happens, but not how the
// processes are scheduled.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

type options struct {
	registry string
	disks    string
	size     int // MiB
	rounds   int
	duration time.Duration
	seed     uint64
	dir      string
	only     string
}

func main() {
	var o options
	flag.StringVar(&o.registry, "registry", "bin/registry", "the registry binary")
	flag.StringVar(&o.disks, "disks", "tmpfs,ext4", "kinds of disks, by turns")
	flag.IntVar(&o.size, "size", 512, "MiB of a disk")
	flag.IntVar(&o.rounds, "rounds", 100, "rounds on each kind of disk; 0: as many as fit in -for")
	flag.DurationVar(&o.duration, "for", 0, "end after this time; 0: after -rounds")
	flag.Uint64Var(&o.seed, "seed", uint64(time.Now().UnixNano()), "what happens when, and what is pushed")
	flag.StringVar(&o.dir, "dir", "", "where disks are mounted; a temporary directory if empty")
	flag.StringVar(&o.only, "only", "", "only this kind of bad day, see -days")
	list := flag.Bool("days", false, "list the kinds of bad days")
	flag.Parse()
	if *list {
		for _, d := range days {
			fmt.Printf("%-12s %s\n", d.name, d.what)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	ok, err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "badday:", err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}
