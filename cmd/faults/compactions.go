package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/cmd/faults/internal/book"
	"github.com/distribution-ipfs/distribution-ipfs/cmd/faults/internal/load"
)

// keptChanges is the registries' keepchanges. Each looks once a minute whether there are more.
const keptChanges = 100

// compactions counts the changes that registries drop of their history.
type compactions struct {
	mu      sync.Mutex
	seen    map[book.Seat]int // dropped on one disk so far
	dropped int
	times   int
	marked  int // of dropped, before mark
}

const lookAtHistory = 3 * time.Second

// start looks at all registries from time to time until stop is called.
func (c *compactions) start(ctx context.Context, t *trial) (stop func()) {
	return repeat(ctx, lookAtHistory, func(ctx context.Context) {
		for _, m := range t.swarm.Members {
			at := load.Seat(m)
			st, err := m.Ask(ctx)
			if err == nil && at == load.Seat(m) {
				c.note(at, st.Map.History.Compacted, t)
			}
		}
	})
}

func (c *compactions) note(at book.Seat, compacted int, t *trial) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before, met := c.seen[at]
	if !met && at.Life > 0 {
		before = compacted // of the copy of a disk
	}
	if compacted > before {
		c.dropped += compacted - before
		c.times++
		t.journal.Note("compact", "%s has dropped %d changes more, %d in all", at, compacted-before, compacted)
	}
	c.seen[at] = compacted
}

// mark has left count only what is dropped from now on.
func (c *compactions) mark() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.marked = c.dropped
}

// since is how many changes were dropped after mark.
func (c *compactions) since() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dropped - c.marked
}

func (c *compactions) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Sprintf("%d changes dropped, %d times; %d of them after a registry was revoked", c.dropped, c.times, c.dropped-c.marked)
}

// compacted waits until registries have dropped something of their history, with clients that go on.
func (t *trial) compacted(ctx context.Context) error {
	t.journal.Note("wait", "until history is dropped")
	err := t.await(ctx, func() (string, error) {
		if t.compactions.since() == 0 {
			return "no registry has dropped anything of its history: " + t.compactions.String(), nil
		}
		return "", nil
	})
	if err != nil {
		return t.notTrue(ctx, err)
	}
	return nil
}

// finish does what a run has to have in it, and has not had yet.
func (t *trial) finish(ctx context.Context) error {
	if t.o.only == "" && notRevoked(t) {
		if err := t.do(ctx, kind{name: "revoke", run: (*trial).revoke}); err != nil {
			return err
		}
	}
	if t.o.only == "" && notRequired(t) {
		if err := t.do(ctx, kind{name: "require", run: (*trial).require}); err != nil {
			return err
		}
	}
	for t.keys.order != nil || t.o.only == "" && t.keys.done == 0 {
		if err := t.do(ctx, kind{name: "rekey", run: (*trial).rekey}); err != nil {
			return err
		}
	}
	return t.compacted(ctx)
}
