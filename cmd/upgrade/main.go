// Command upgrade mixes two releases in one swarm: three registries begin on one release, are
// replaced one by one by another, and go back one by one, while clients push, pull and delete.
//
//	upgrade -from /tmp/earlier/registry -to bin/registry
//
// # What must hold
//
// After each step, within -patience:
//
//   - All registries are ready, connected with each other, and have the same path map.
//   - All that was acknowledged is answered by all of them, by tag and by digest, with its blobs;
//     what was deleted is gone.
//   - What only the later release understands is not said to be understood by all while one is of
//     the earlier release, and is once none is. No history is dropped meanwhile, and some is then,
//     if clients made -history changes.
//   - Registries of either release join, and see the same.
//
// A release need not read what a later one has written to the disk, or dropped of the history. Then it
// has to end with a status other than 0, or say that it is not ready, and deny nothing that was acknowledged;
// and the later release has to go on with the same disk. The report quotes what it says.
//
// # Limits
//
// All registries are on loopback, and each has its own bootstrappers' addresses in its configuration
// all the while. Each image is pushed, moved and deleted by one client at one registry, so that nothing
// is concurrent; cmd/faults has that.
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
	from, to string // binaries
	dir      string
	acts     int // of each client, between two steps
	history  int // changes
	patience time.Duration
}

func main() {
	o := options{}
	flag.StringVar(&o.from, "from", "", "the registry binary of the earlier release")
	flag.StringVar(&o.to, "to", "bin/registry", "the registry binary of the later release")
	flag.StringVar(&o.dir, "dir", "", "an empty directory for disks and logs, made if it is not there; if it is not named, a temporary one, which is kept when something does not hold")
	flag.IntVar(&o.acts, "acts", 10, "pushes, and as many pulls, of each of three clients between two steps")
	flag.IntVar(&o.history, "history", 13_000, "changes that clients make before the last registry is replaced; with less than 12,501 nothing is compacted")
	flag.DurationVar(&o.patience, "patience", 5*time.Minute, "how long to wait for what has to come true")
	flag.Parse()
	if o.from == "" {
		fmt.Fprintln(os.Stderr, "upgrade: -from names no binary")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	holds, err := run(ctx, o, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "upgrade:", err)
	}
	if err != nil || !holds {
		os.Exit(1)
	}
}
