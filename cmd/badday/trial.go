package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/internal/disk"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/process"
)

// wornBytes is how much is pushed to a disk, as a share of its size, before it is replaced.
const wornBytes = 0.3

const (
	mostShown = 10        // of what is wrong in a round
	leastFree = 128 << 20 // bytes; a disk with less is replaced: the reserve file, and what the registry keeps free
)

// trial is a registry on one disk, and what was pushed to it.
type trial struct {
	options  options
	dir      string
	random   *rand.Rand
	disk     *disk.Disk
	registry *process.Registry
	book     *book
	worn     bool // the disk has to be replaced

	lies      []string // wrong answers
	unstarted int
	slowest   time.Duration // SIGTERM on a full disk
}

// sum is the result of all rounds together.
type sum struct {
	rounds, acks, lost, lies, unstarted int
	slowest                             time.Duration
	refusals                            map[string]int
}

func run(ctx context.Context, o options) (ok bool, err error) {
	dir := o.dir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "badday-"); err != nil {
			return false, err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	binary, err := filepath.Abs(o.registry)
	if err != nil {
		return false, err
	}
	o.registry = binary
	total := sum{refusals: map[string]int{}}
	fmt.Printf("seed %d, disks of %d MiB: %s\n", o.seed, o.size, o.disks)
	began := time.Now()
	kinds := strings.Split(o.disks, ",")
	trials := make([]*trial, len(kinds))
	defer func() {
		for _, t := range trials {
			err = errors.Join(err, t.end())
		}
	}()
	for n := 0; o.rounds == 0 || n < o.rounds*len(kinds); n++ {
		if o.duration > 0 && time.Since(began) > o.duration || ctx.Err() != nil {
			break
		}
		turn := n % len(kinds)
		if trials[turn] == nil {
			if trials[turn], err = begin(o, dir, kinds[turn], n); err != nil {
				return false, err
			}
		}
		t := trials[turn]
		if err := t.round(ctx, n, &total); ctx.Err() != nil {
			break
		} else if err != nil {
			return false, fmt.Errorf("round %d: %w", n, err)
		}
		if t.worn || float64(t.book.bytes) > wornBytes*float64(o.size<<20) {
			if err := t.end(); err != nil {
				return false, err
			}
			trials[turn] = nil
		}
	}
	total.print(time.Since(began), o.seed)
	return total.lost == 0 && total.lies == 0, nil
}

func (s sum) print(took time.Duration, seed uint64) {
	fmt.Printf("%d rounds in %s: %d pushes acknowledged, %d lost, %d wrong answers; SIGTERM on a full disk took %s at most; %d starts on a full disk refused; seed %d\n",
		s.rounds, took.Round(time.Second), s.acks, s.lost, s.lies, s.slowest.Round(time.Millisecond), s.unstarted, seed)
	fmt.Println("refused:", tally(s.refusals))
}

// begin makes a new disk and a registry on it.
func begin(o options, dir, kind string, round int) (*trial, error) {
	d, err := disk.Mount(kind, dir, o.size)
	if err != nil {
		return nil, err
	}
	t := &trial{options: o, dir: dir, random: rand.New(rand.NewPCG(o.seed, uint64(round))), disk: d, book: newBook()}
	t.registry, err = newRegistry(o, dir, d)
	if err != nil {
		return nil, errors.Join(err, d.Unmount())
	}
	return t, nil
}

func (t *trial) end() error {
	if t == nil {
		return nil
	}
	t.registry.Kill()
	return t.disk.Unmount()
}

// round has one bad day, starts the registry again and looks.
func (t *trial) round(ctx context.Context, n int, total *sum) error {
	began, acks := time.Now(), t.book.acks
	d := pick(t.random, t.options.only)
	if !t.registry.Running() {
		if err := t.registry.Start(ctx); err != nil {
			return err
		}
	}
	if err := d.run(ctx, t); err != nil {
		return fmt.Errorf("%s: %w", d.name, err)
	}
	t.registry.Kill()
	t.disk.Empty()
	if err := t.registry.Start(ctx); err != nil {
		return fmt.Errorf("after %s: %w", d.name, err)
	}
	lost := t.book.look(ctx, t.registry)
	if ctx.Err() != nil {
		return ctx.Err() // what was not checked is not lost
	}
	for i, s := range append(t.lies, lost...) {
		if i < mostShown {
			fmt.Println("  ", s)
		}
	}
	acks = t.book.acks - acks
	fmt.Printf("round %d %s %-10s %6.1fs  %4d acknowledged, %5d looked for, %d lost, %d wrong answers\n",
		n, t.disk.Kind, d.name, time.Since(began).Seconds(), acks, t.book.acks, len(lost), len(t.lies))
	t.add(total, acks, len(lost))
	t.worn = t.worn || len(lost) > 0 || t.disk.Free() < leastFree // lost is counted once
	return nil
}

func (t *trial) add(total *sum, acks, lost int) {
	total.rounds, total.acks, total.lost = total.rounds+1, total.acks+acks, total.lost+lost
	total.lies, total.unstarted = total.lies+len(t.lies), total.unstarted+t.unstarted
	total.slowest = max(total.slowest, t.slowest)
	for k, n := range t.book.refusals {
		total.refusals[k] += n
	}
	t.lies, t.unstarted, t.book.refusals = nil, 0, map[string]int{}
}

func pause(random *rand.Rand, least, most time.Duration) {
	time.Sleep(least + time.Duration(random.Int64N(int64(most-least)+1)))
}
