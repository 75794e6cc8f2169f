package main

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// collections has registries collect garbage, two at a time, whatever else happens.
type collections struct{ done atomic.Int64 }

const collectTimeout = 20 * time.Second

func (c *collections) start(ctx context.Context, t *trial) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for range 2 {
		random := rand.New(rand.NewPCG(t.o.seed, t.random.Uint64()))
		wg.Go(func() { c.collect(ctx, t, random) })
	}
	return func() { cancel(); wg.Wait() }
}

func (c *collections) collect(ctx context.Context, t *trial, random *rand.Rand) {
	for ctx.Err() == nil {
		m := t.swarm.Members[random.IntN(members)]
		short, cancel := context.WithTimeout(ctx, collectTimeout)
		result, err := m.Collect(short, max(0, time.Duration(random.Int64N(int64(2*grace)))-grace)) // 0 half of the times
		cancel()
		if err == nil {
			c.done.Add(1)
			t.journal.Note("collect", "%s: deleted %+v, removed %+v, waits for %v", m.Name, result.Deleted, result.Removed, result.WaitsFor)
			err = t.forgetGone(ctx, m, result.WaitsFor)
		}
		if err != nil {
			t.journal.Note("collect", "%s: %v", m.Name, err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Duration(random.Int64N(int64(time.Second)))):
		}
	}
}
