// Command faults runs five registries, has clients use them all the while, does to them what
// happens to machines, and checks that nothing that was acknowledged is lost.
//
//	faults -registry bin/registry -for 1h
//	faults -registry bin/registry -for 10m -seed 7 -only backup,kill,restore
//
// # What is promised, and so checked
//
// At the end of each round everything heals, and then, within -patience:
//
//   - All registries are connected and have the same path map.
//   - Each tag, and each manifest by its digest, is answered alike by all of them: with what was
//     acknowledged last, or with a push that was concurrent, because no registry knew of both
//     when it took one of them. Package book has the rules; such pushes are counted, and named
//     in the journal.
//   - What was deleted, and not pushed again, is gone everywhere. A push that had not begun when
//     the delete was acknowledged is not.
//   - Each blob of each image that must be there is on as many disks as -replicas says, and can
//     be pulled with its digest.
//   - Each disk has blobs only of images that may be there, and no more than cachesize of those
//     that others keep.
//   - What a registry took that was revoked is nowhere, but for what came in before all had heard of that.
//   - Once signatures are required, all registries say so, whatever happens to their disks.
//
// A run ends when the protector key was changed, a registry revoked, signatures required, and history dropped after that.
//
// All the while, no registry may answer a read with other bytes, or with something that it
// knew to be replaced, or deny what it had acknowledged or answered with before. It may
// answer 503, and it may not answer at all. A push or delete is acknowledged with 201 or 202;
// one that was cut off, or got a status of 500 and above, may have happened.
//
// # Limits
//
// One disk at a time is lost or damaged, and only when what is on it is on another disk, too.
// In network namespaces, and with disks of their own, which takes Linux and root, all faults
// are done; elsewhere no packets are lost and no disk is full, and it says so. A disk is a
// tmpfs: power that fails is not played (cmd/badday has ext4, and the tests of syncing), only
// processes that are killed. Clocks are wrong from a start on and do not jump. A seed repeats
// what happens, and in which order, but not how processes are scheduled. A registry that has not heard
// of the revocation, since its disk is empty or old, does not meet the one that was revoked.
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
	duration time.Duration
	most     int // faults
	seed     uint64
	dir      string
	clients  int
	replicas int
	disk     int // MiB
	clocks   bool
	only     string
	patience time.Duration
}

func main() {
	o := options{}
	flag.StringVar(&o.registry, "registry", "bin/registry", "the registry binary")
	flag.DurationVar(&o.duration, "for", time.Hour, "no more faults after this time; the last check comes on top")
	flag.IntVar(&o.most, "faults", 0, "no more faults than this; 0: only -for counts")
	flag.Uint64Var(&o.seed, "seed", uint64(time.Now().UnixNano()%1_000_000), "what is pushed, and what happens in which order")
	flag.StringVar(&o.dir, "dir", "", "an empty directory for disks, logs and the journal, made if it is not there; if it is not named, a temporary one, which is kept when something is lost")
	flag.IntVar(&o.clients, "clients", 8, "that push, pull, tag and delete at once")
	flag.IntVar(&o.replicas, "replicas", 2, "disks that each blob has to be on")
	flag.IntVar(&o.disk, "disk", 1024, "MiB of each registry's disk")
	flag.BoolVar(&o.clocks, "clocks", true, "set clocks wrong; builds all of the registry once more, which takes Go's toolchain, and some minutes the first time")
	flag.StringVar(&o.only, "only", "", "only these faults, in this order, each round; names of -kinds, separated by commas")
	flag.DurationVar(&o.patience, "patience", 5*time.Minute, "how long to wait for what has to come true")
	list := flag.Bool("kinds", false, "list the kinds of faults")
	flag.Parse()
	if *list {
		for _, f := range kinds {
			fmt.Printf("%-10s %s\n", f.name, f.what)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	sum, err := run(ctx, o, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
	}
	if err != nil || sum.broken > 0 {
		os.Exit(1)
	}
}
