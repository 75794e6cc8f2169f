package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/faults/internal/book"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/faults/internal/journal"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/faults/internal/load"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/faults/internal/swarm"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/internal/lab"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/internal/skewed"
)

const members = 5

// trial is one run, from the first start to the last check.
type trial struct {
	o       options
	out     io.Writer
	dir     string
	random  *rand.Rand
	swarm   *swarm.Swarm
	book    *book.Book
	load    *load.Load
	journal *journal.Journal
	late    *swarm.Member // its clock is wrong
	gone    sync.Map      // peer IDs of registries that were replaced
	life    context.Context
	outcast outcast
	keys    keyChange

	required bool // are signatures, from now on

	faults      map[string]int
	collections collections
	compactions compactions
	concurrent  int // tags that went to a push that was not acknowledged last
	lost, never []string
	seen        map[string]bool // blobs that were read
}

// sum is what came of a run. Broken are promises.
type sum struct{ pushed, pulled, faults, broken int }

func run(ctx context.Context, o options, out io.Writer) (s sum, err error) {
	t := &trial{o: o, out: out, random: rand.New(rand.NewPCG(o.seed, 0)), book: book.New(), faults: map[string]int{}, seen: map[string]bool{}, life: ctx}
	t.compactions.seen = map[book.Seat]int{}
	began := time.Now()
	t.say("seed %d, %d registries", o.seed, members)
	if t.dir, err = directory(o.dir); err != nil {
		return s, err
	}
	closeAll, err := t.open(ctx)
	if err == nil {
		err = t.rounds(ctx)
		s = sum{pushed: int(t.load.Pushed.Load()), pulled: int(t.load.Pulled.Load()), broken: t.broken()}
		for _, n := range t.faults {
			s.faults += n
		}
		t.print(s, time.Since(began))
	}
	err = errors.Join(err, closeAll())
	if err == nil && s.broken == 0 && o.dir == "" {
		return s, os.RemoveAll(t.dir)
	}
	t.say("journal, logs and configurations are in %s", t.dir)
	return s, err
}

// directory makes the one that is named, or a temporary one.
func directory(named string) (string, error) {
	if named == "" {
		return os.MkdirTemp("", "faults-")
	}
	return named, os.MkdirAll(named, 0o755)
}

// open starts everything, and returns what ends it, also after an error.
func (t *trial) open(ctx context.Context) (closeAll func() error, err error) {
	var closers []func() error
	closeAll = func() error {
		var errs []error
		for _, f := range slices.Backward(closers) {
			errs = append(errs, f())
		}
		return errors.Join(errs...)
	}
	if t.journal, err = journal.Create(filepath.Join(t.dir, "journal")); err != nil {
		return closeAll, err
	}
	closers = append(closers, t.journal.Close)
	so := swarm.Options{Dir: t.dir, Members: members, Guest: true, Patience: t.o.patience, Lines: t.lines()}
	if so.Binary, err = filepath.Abs(t.o.registry); err != nil {
		return closeAll, err
	}
	if so.Lab, err = lab.Open(); err == nil {
		so.DiskMiB = t.o.disk
		closers = append(closers, so.Lab.Close)
	} else if errors.Is(err, lab.ErrUnable) {
		t.say("on loopback, WITHOUT lost packets and full disks: %v", err)
	} else {
		return closeAll, err
	}
	if t.o.clocks {
		so.Late = filepath.Join(t.dir, "registry-late")
		if err := skewed.Build(ctx, "github.com/distribution-ipfs/distribution-ipfs/cmd/registry", so.Late); err != nil {
			return closeAll, err
		}
	} else {
		t.say("WITHOUT clocks that are wrong")
	}
	t.swarm, err = swarm.Open(ctx, so)
	if err != nil {
		return closeAll, err
	}
	closers = append(closers, t.swarm.Close, t.stopLate)
	t.keys.old = t.swarm.Guest.Key()
	t.load = load.New(t.swarm, t.book, t.journal, t.o.seed, t.o.clients)
	return closeAll, nil
}

// rounds runs until the time is over, or something is lost.
func (t *trial) rounds(ctx context.Context) error {
	end := time.Now().Add(t.o.duration)
	done := 0
	over := func() bool { return !time.Now().Before(end) || t.o.most > 0 && done >= t.o.most }
	for n := 1; ; n++ {
		began, before := time.Now(), t.load.Pushed.Load()
		deck, err := t.deck()
		if err != nil {
			return err
		}
		t.load.Start(ctx)
		stop, unwatch := t.collections.start(ctx, t), t.compactions.start(ctx, t)
		for ; len(deck) > 0 && !over() && err == nil; done++ {
			err = t.do(ctx, deck[0])
			deck = deck[1:]
		}
		last := over()
		if last && err == nil {
			err = t.finish(ctx)
		}
		unwatch()
		stop()
		t.load.Stop()
		if err == nil {
			err = t.check(ctx, last)
		}
		if err != nil {
			return fmt.Errorf("round %d: %w", n, err)
		}
		t.say("round %d, %s: %d pushes acknowledged, lost: %d", n, time.Since(began).Round(time.Second), t.load.Pushed.Load()-before, len(t.lost))
		if last || t.broken() > 0 {
			return nil
		}
	}
}

// do lets one fault happen.
func (t *trial) do(ctx context.Context, k kind) error {
	t.journal.Note("fault", "%s …", k.name)
	if err := k.run(t, ctx); err != nil {
		return fmt.Errorf("%s: %w", k.name, err)
	}
	t.journal.Note("fault", "%s is over", k.name)
	return t.pause(ctx, 0, time.Second)
}

// count counts a fault, and writes it down.
func (t *trial) count(name, format string, args ...any) {
	t.faults[name]++
	t.journal.Note("fault", "%s: %s", name, fmt.Sprintf(format, args...))
}

func (t *trial) pause(ctx context.Context, least, most time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(least + time.Duration(t.random.Int64N(int64(most-least)+1))):
		return nil
	}
}

func (t *trial) say(format string, args ...any) { _, _ = fmt.Fprintf(t.out, format+"\n", args...) }

// lose notes something that is lost.
func (t *trial) lose(format string, args ...any) { t.note(&t.lost, "LOST", format, args...) }

func (t *trial) note(list *[]string, what, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	t.journal.Note(what, "%s", text)
	if *list = append(*list, text); len(*list) <= mostShown {
		t.say("%s: %s", what, text)
	}
}

// broken counts what is lost, what was wrong, and what did not come true.
func (t *trial) broken() int { return len(t.lost) + len(t.never) + len(t.load.Wrong()) }

const mostShown = 20

func (t *trial) print(s sum, took time.Duration) {
	var counts []string
	for _, name := range slices.Sorted(maps.Keys(t.faults)) {
		counts = append(counts, fmt.Sprintf("%s %d", name, t.faults[name]))
	}
	for i, w := range t.load.Wrong() {
		if i < mostShown {
			t.say("WRONG ANSWER: %s", w)
		}
	}
	t.say("seed %d, %s: %d pushes and %d deletes acknowledged, %d pulls, %d requests failed or refused; %d collections of garbage; %d tags went to a concurrent push",
		t.o.seed, took.Round(time.Second), s.pushed, t.load.Deleted.Load(), s.pulled, t.load.Refused.Load(), t.collections.done.Load(), t.concurrent)
	t.say("faults: %d (%s)", s.faults, strings.Join(counts, ", "))
	t.say("history: %s", &t.compactions)
	t.say("changes of the protector key: %d; %s", t.keys.done, t.outcast.String())
	t.say("wrong answers: %d, promises that did not come true: %d", len(t.load.Wrong()), len(t.never))
	t.say("lost: %d", len(t.lost))
}
