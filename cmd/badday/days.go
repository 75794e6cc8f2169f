package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// day is a kind of round: it begins with a running registry, and ends with a stopped one
// and with room on the disk.
type day struct {
	name, what string
	weight     int
	run        func(context.Context, *trial) error
}

var days = []day{
	{"kill", "SIGKILL while clients push", 2, killDay},
	{"fill", "the disk fills to the last byte, is emptied, pushes go on, SIGKILL", 4, fillDay},
	{"breathe", "the disk is full but for moments, is emptied, pushes go on, SIGKILL", 4, breatheDay},
	{"kill-full", "SIGKILL while the disk is full", 3, killFullDay},
	{"term-full", "SIGTERM while the disk is full", 3, termFullDay},
	{"start-full", "SIGKILL, and a start, while the disk is full", 2, startFullDay},
	{"push-full", "clients push until the disk is full, SIGKILL", 1, pushFullDay},
	{"kill-start", "SIGKILL while it starts", 1, killStartDay},
	{"power", "the power goes while clients push (ext4; else SIGKILL)", 4, powerDay},
}

func pick(random *rand.Rand, only string) day {
	sum := 0
	for _, d := range days {
		if d.name == only {
			return d
		}
		sum += d.weight
	}
	n := random.IntN(sum)
	for _, d := range days {
		if n -= d.weight; n < 0 {
			return d
		}
	}
	return days[0]
}

func killDay(ctx context.Context, t *trial) error {
	p := push(ctx, t.registry, t.book, t.random, false)
	pause(t.random, 100*time.Millisecond, 2*time.Second)
	t.registry.Kill()
	p.stop()
	return nil
}

// powerDay takes from the disk what was not synced.
func powerDay(ctx context.Context, t *trial) error {
	if t.disk.Kind != "ext4" {
		return killDay(ctx, t)
	}
	p := push(ctx, t.registry, t.book, t.random, false)
	pause(t.random, 100*time.Millisecond, 3*time.Second)
	open := t.book.close() // the network has no power, either
	err := t.disk.Cut()
	t.registry.Kill()
	p.stop()
	open()
	return errors.Join(err, t.disk.Mend())
}

func fillDay(ctx context.Context, t *trial) error {
	return t.full(ctx, func(p *pushes) error { return t.disk.Fill() })
}

func breatheDay(ctx context.Context, t *trial) error {
	return t.full(ctx, func(p *pushes) error {
		return t.disk.Breathe(t.random, time.Second+time.Duration(t.random.Int64N(int64(2*time.Second))))
	})
}

// full fills the disk while clients push, empties it, waits until pushes are acknowledged
// again, and kills the registry some time after that.
func (t *trial) full(ctx context.Context, fill func(*pushes) error) error {
	p := push(ctx, t.registry, t.book, t.random, false)
	defer p.stop()
	pause(t.random, 100*time.Millisecond, time.Second)
	if err := fill(p); err != nil {
		return err
	}
	pause(t.random, 200*time.Millisecond, 1500*time.Millisecond)
	t.lies = append(t.lies, t.book.glance(ctx, t.registry, 5)...)
	t.disk.Empty()
	if err := t.heals(ctx); err != nil {
		return err
	}
	pause(t.random, 0, time.Second)
	t.registry.Kill()
	return nil
}

const healWait = time.Minute

// heals waits until a few pushes are acknowledged.
func (t *trial) heals(ctx context.Context) error {
	before := t.book.acknowledged()
	for end := time.Now().Add(healWait); t.book.acknowledged() < before+20; time.Sleep(10 * time.Millisecond) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if time.Now().After(end) {
			return fmt.Errorf("%d MiB are free again, but pushes are not acknowledged: %s", t.disk.Free()>>20, tally(t.book.refusals))
		}
	}
	return nil
}

func killFullDay(ctx context.Context, t *trial) error {
	return t.endFull(ctx, t.registry.Kill)
}

func termFullDay(ctx context.Context, t *trial) error {
	return t.endFull(ctx, func() {
		began := time.Now()
		err := t.registry.Stop()
		took := time.Since(began)
		t.slowest = max(t.slowest, took)
		if err != nil {
			t.lies = append(t.lies, fmt.Sprintf("SIGTERM on a full disk: %v after %s", err, took))
		}
	})
}

// endFull fills the disk while clients push, ends the registry, and empties the disk.
func (t *trial) endFull(ctx context.Context, end func()) error {
	p := push(ctx, t.registry, t.book, t.random, false)
	defer p.stop()
	pause(t.random, 100*time.Millisecond, time.Second)
	if err := t.disk.Fill(); err != nil {
		return err
	}
	pause(t.random, 0, 2*time.Second)
	end()
	t.disk.Empty()
	return nil
}

// startFullDay starts the registry on a full disk. It has to serve what is there, or to
// exit.
func startFullDay(ctx context.Context, t *trial) error {
	if err := killFullDay(ctx, t); err != nil {
		return err
	}
	if err := t.disk.Fill(); err != nil {
		return err
	}
	defer t.disk.Empty()
	if err := t.registry.Start(ctx); err != nil {
		t.unstarted++
		t.registry.Kill()
		return nil
	}
	p := push(ctx, t.registry, t.book, t.random, false)
	defer p.stop()
	t.lies = append(t.lies, t.book.glance(ctx, t.registry, 10)...)
	t.disk.Empty()
	if err := t.heals(ctx); err != nil {
		return err
	}
	t.registry.Kill()
	return nil
}

// pushFullDay pushes until the disk is full of blobs, and so needs a new disk afterwards.
func pushFullDay(ctx context.Context, t *trial) error {
	p := push(ctx, t.registry, t.book, t.random, true)
	defer p.stop()
	low := t.disk.Free()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
		before := t.book.acknowledged()
		pause(t.random, time.Second, 1500*time.Millisecond)
		if low = min(low, t.disk.Free()); t.book.acknowledged() == before {
			break // pushes are refused
		}
	}
	t.worn = true
	t.registry.Kill()
	return nil
}

func killStartDay(ctx context.Context, t *trial) error {
	if err := killDay(ctx, t); err != nil {
		return err
	}
	for range 3 {
		if err := t.registry.Spawn(); err != nil {
			return err
		}
		pause(t.random, 0, 400*time.Millisecond)
		t.registry.Kill()
	}
	return nil
}
