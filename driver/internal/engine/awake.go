package engine

import (
	"context"
	"sync/atomic"
	"time"
)

// awake knows when this process last began to run: at its start, or after a while in which it
// did not, because it was stopped, or its machine was, or had no time for it. That nobody
// answered meanwhile says nothing about the others. It is safe for concurrent use.
type awake struct {
	begun time.Time
	gap   time.Duration // it did not run when there is no sign for longer
	sign  atomic.Int64  // the last one, since begun
	since atomic.Int64  // when it last began to run, since begun
}

// leastGap is what a busy machine may take to run a goroutine.
const leastGap = time.Second

// newAwake makes an awake that notices pauses of half the time that others have to answer.
func newAwake(now time.Time, patience time.Duration) *awake {
	return &awake{begun: now, gap: max(patience/2, leastGap)}
}

// at notes a sign, and returns since when the process has run.
func (a *awake) at(now time.Time) time.Time {
	at := int64(now.Sub(a.begun))
	if last := a.sign.Swap(at); at-last > int64(a.gap) {
		a.since.Store(at)
	}
	return a.begun.Add(time.Duration(a.since.Load()))
}

// watch gives signs until nobody asks any more, or ctx ends.
func (a *awake) watch(ctx context.Context, done <-chan struct{}) {
	tick := time.NewTicker(a.gap / 4)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			a.at(time.Now())
		case <-done:
			return
		case <-ctx.Done():
			return
		}
	}
}
