package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// check heals everything and looks for all that was acknowledged. The last one starts all
// registries anew, and looks at everything; the others only at what has changed.
func (t *trial) check(ctx context.Context, last bool) error {
	t.journal.Note("check", "heal, agree")
	if last {
		for _, m := range t.swarm.Members {
			m.SetClock(0)
			if err := m.Resume(); err != nil {
				return err
			}
			t.stop(m)
		}
	}
	if err := t.swarm.Heal(ctx); err != nil {
		return err
	}
	if err := t.swarm.Agree(ctx); err != nil {
		return t.notTrue(ctx, err)
	}
	names := t.book.Changed()
	if last {
		names = t.book.All()
	}
	slices.SortFunc(names, func(a, b name) int { return compare(a.String(), b.String()) })
	t.journal.Note("check", "%d names", len(names))
	if err := t.names(ctx, names); err != nil {
		return err
	}
	for _, step := range []struct {
		what string
		look func(context.Context) error
	}{
		{"blobs", t.blobs}, {"copies", t.copies}, {"garbage", t.garbage}, {"cache", t.cache}, {"copies", t.copies}, {"agree", t.swarm.Agree},
		{"revoked", func(ctx context.Context) error { return t.shut(ctx, last) }}, {"signed", t.signed},
	} {
		t.journal.Note("check", "%s", step.what)
		if err := step.look(ctx); err != nil {
			return t.notTrue(ctx, fmt.Errorf("%s: %w", step.what, err))
		}
	}
	t.journal.Note("check", "done")
	return ctx.Err()
}

// notTrue notes what never came true, unless this program is ending.
func (t *trial) notTrue(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	t.note(&t.never, "NOT TRUE", "%v", err)
	return nil
}

// await asks until there is nothing left to wait for. Several goroutines may do so.
func (t *trial) await(ctx context.Context, left func() (string, error)) error {
	began := time.Now()
	for {
		what, err := left()
		if err != nil || what == "" {
			return err
		}
		if time.Since(began) > t.o.patience {
			return fmt.Errorf("still after %s: %s", t.o.patience, what)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(500 * time.Millisecond):
		}
	}
}
