package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

const (
	settling   = 20 * time.Second // from the last request until a registry is idle
	lostWithin = 2 * time.Minute  // after the attacks, everything has to be served
	leftWithin = 2 * time.Minute  // after the last measurement, sockets have to be closed
)

// trial is one run.
type trial struct {
	o     options
	out   io.Writer
	swarm *swarm
	load  *load
	sum   sum
}

// sum is what came of a run.
type sum struct {
	peace, attacked   phase
	idle, most, after figures
	mostInPeace       figures
	joinedInPeace     joining
	joined            []joining // of one that did not, how long it tried
	lost, died        []string
	outcome
}

func run(ctx context.Context, o options, out io.Writer) (s sum, holds bool, err error) {
	if o.dir == "" {
		if o.dir, err = os.MkdirTemp("", "attack-"); err != nil {
			return s, false, err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(o.dir)) }()
	}
	t := &trial{o: o, out: out}
	if t.swarm, err = openSwarm(ctx, o); err != nil {
		return s, false, err
	}
	t.load = &load{swarm: t.swarm}
	err = t.phases(ctx)
	if err == nil {
		holds = t.report()
	}
	err = errors.Join(err, t.end())
	return t.sum, holds, err
}

// end stops the registries. That one of them has ended before was noted.
func (t *trial) end() error {
	if err := t.swarm.close(); err != nil && len(t.sum.died) == 0 {
		return err
	}
	return nil
}

func (t *trial) phases(ctx context.Context) error {
	blob, err := t.forSlowReaders(ctx)
	if err != nil {
		return err
	}
	t.say("%s in peace", t.o.peace)
	peace, cancel := context.WithTimeout(ctx, t.o.peace)
	watched := t.watch(peace)
	t.sum.peace = t.load.run(peace, t.o.clients)
	cancel()
	t.sum.mostInPeace = <-watched
	if t.sum.joinedInPeace, err = t.newcomer(ctx, 0); err != nil {
		return err
	}
	t.settle(ctx)
	t.sum.idle = t.swarm.figures()
	p, err := t.swarm.plan(ctx, blob)
	if err != nil {
		return err
	}
	t.say("%s under attack", t.o.attacked)
	stop, err := t.o.begin(ctx, p)
	if err != nil {
		return err
	}
	t.attacked(ctx)
	if t.sum.outcome, err = stop(); err != nil {
		return err
	}
	t.wait(ctx, t.o.after)
	t.settle(ctx)
	t.sum.after = t.swarm.figures()
	for end := time.Now().Add(leftWithin); time.Now().Before(end) && t.socketsLeft(); {
		t.wait(ctx, time.Second)
	}
	t.sum.died = t.swarm.died()
	t.say("reading all that was acknowledged")
	t.sum.lost = t.load.lost(ctx, lostWithin)
	return ctx.Err()
}

// newcomer has a registry join, whose history is as long as what was pushed by now.
func (t *trial) newcomer(ctx context.Context, i int) (took joining, err error) {
	pushes := t.load.count()
	took, err = t.swarm.newcomer(ctx, i)
	took.pushes = pushes
	return took, err
}

// attacked has clients work and newcomers come while the attacks go on.
func (t *trial) attacked(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, t.o.attacked)
	defer cancel()
	watched := t.watch(ctx)
	came := make(chan struct{})
	go func() {
		defer close(came)
		for i := 1; i < newcomers; i++ {
			t.wait(ctx, t.o.attacked/(newcomers+1))
			took, err := t.newcomer(ctx, i)
			if err != nil {
				t.say("newcomer after %s: %v", took.ready.Round(time.Second), err)
			}
			if err == nil || took.ready > mostJoin {
				t.sum.joined = append(t.sum.joined, took)
			}
		}
	}()
	t.sum.attacked = t.load.run(ctx, t.o.clients)
	<-came
	t.sum.most = <-watched
}

// watch gives the most of all figures until ctx ends.
func (t *trial) watch(ctx context.Context) <-chan figures {
	watched := make(chan figures, 1)
	go func() { watched <- t.swarm.watch(ctx) }()
	return watched
}

// forSlowReaders pushes a blob to each registry that attackers read slowly.
func (t *trial) forSlowReaders(ctx context.Context) (sum [sha256.Size]byte, err error) {
	one := layer(mib)
	digest, err := one.Digest()
	if err != nil {
		return sum, err
	}
	if _, err := hex.Decode(sum[:], []byte(digest.Hex)); err != nil {
		return sum, err
	}
	for at := range members {
		if err := t.load.write(ctx, &image{repo: "team/slow", tag: fmt.Sprint(at), at: at}, one); err != nil {
			return sum, err
		}
	}
	return sum, nil
}

// settle waits until registries are idle, and ends what clients keep open.
func (t *trial) settle(ctx context.Context) {
	t.wait(ctx, min(settling, t.o.after))
	for _, r := range t.swarm.members() {
		r.Client.CloseIdleConnections()
	}
	t.wait(ctx, time.Second)
}

// socketsLeft counts the sockets again, and reports whether there are more than there were.
func (t *trial) socketsLeft() bool {
	t.sum.after.sockets = t.swarm.figures().sockets
	_, left := t.sum.after.above(t.sum.idle)
	return left > 0
}

func (t *trial) wait(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

func (t *trial) say(format string, args ...any) { _, _ = fmt.Fprintf(t.out, format+"\n", args...) }
