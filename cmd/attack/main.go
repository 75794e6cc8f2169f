// Command attack runs three registries, has clients push to them and pull from them, first in
// peace and then under all attacks at once, from each position that somebody may have, and checks
// what must hold all the same.
//
//	attack -registry bin/registry -for 10m
//
// # What must hold
//
//   - Every push that was acknowledged is served by all registries, and none of them ever
//     answers 404 for what it names.
//   - 99 of 100 small pulls take at most three times as long as in peace, and all registries run.
//   - A registry takes at most 300 MiB more than when it was idle, and 100 MiB more a minute after
//     the attacks.
//   - No socket is left then.
//   - A registry that is new meets all others within 5 s.
//
// It prints a table of that, and one of what each attack has achieved.
//
// # Limits
//
// Everything is on this machine, at addresses of loopback: attackers are a process of their own, of
// the least priority, so that what they do themselves does not count as what a registry suffers;
// when they try much less than 1,500 things a second, the machine is too small for them. Memory is what a
// registry has for itself (RssAnon), which takes Linux.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

type options struct {
	registry string
	attacked time.Duration // under attack
	peace    time.Duration
	after    time.Duration // between the attacks and the last measurement
	clients  int
	files    int     // descriptors that each registry may have
	scale    float64 // of the numbers of the attacks
	only     string
	dir      string
	nice     int
	debug    string
	begin    func(context.Context, plan) (stop func() (outcome, error), err error) // attackers
}

func main() {
	o := options{}
	flag.StringVar(&o.registry, "registry", "bin/registry", "the registry binary")
	flag.DurationVar(&o.attacked, "for", 10*time.Minute, "how long to attack")
	flag.DurationVar(&o.peace, "peace", 0, "how long to measure without attacks before; 0: a quarter of -for, at most two minutes")
	flag.DurationVar(&o.after, "after", time.Minute, "how long to wait between the attacks and the last measurement")
	flag.IntVar(&o.clients, "clients", 4, "that push and pull at once")
	flag.IntVar(&o.files, "files", 4096, "file descriptors that each registry may have")
	flag.Float64Var(&o.scale, "scale", 1, "of the numbers of sockets, streams, identities, …")
	flag.StringVar(&o.only, "only", "", "only attacks whose names contain one of these, separated by commas")
	flag.StringVar(&o.dir, "dir", "", "an empty directory for the registries; if it is not named, a temporary one, which is removed")
	flag.IntVar(&o.nice, "nice", 19, "by how much the attackers' process is of less priority than the registries")
	flag.StringVar(&o.debug, "debug", "", "the address at which the first registry serves profiles, such as 127.0.0.1:6060; if it is not named, none does")
	child := flag.Bool("attackers", false, "be the attackers: a plan comes on stdin, and the attacks end with it")
	flag.Parse()
	o.begin = func(ctx context.Context, p plan) (func() (outcome, error), error) {
		return beginProcess(ctx, p, o.nice)
	}
	if o.peace == 0 {
		o.peace = min(o.attacked/4, 2*time.Minute)
	}
	if !do(o, *child) {
		os.Exit(1)
	}
}

// do returns whether everything holds.
func do(o options, child bool) (holds bool) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	if holds = true; child {
		err = beAttackers(ctx)
	} else {
		_, holds, err = run(ctx, o, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "attack:", err)
	}
	return holds && err == nil
}

// beAttackers attacks until stdin ends, and then says on stdout what was achieved.
func beAttackers(ctx context.Context) error {
	in := json.NewDecoder(os.Stdin)
	var p plan
	if err := in.Decode(&p); err != nil {
		return fmt.Errorf("read the plan: %w", err)
	}
	a, err := attackAll(ctx, p)
	if err != nil {
		return err
	}
	var more any
	_ = in.Decode(&more) // until its end
	// What they hold ends with this process.
	return json.NewEncoder(os.Stdout).Encode(outcome{Attacks: a.results(), Worked: worked()})
}
