package sweep

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/room"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/sweep/evict"
)

const (
	settleTime = 2 * time.Second // for which a file system may take to count what was removed as free
	settleLook = 20 * time.Millisecond
	copyWait   = time.Minute // for which a copy waits for room at most
)

// waiter is somebody who waits for room.
type waiter struct {
	want   evict.Want
	enough func() bool
	done   chan struct{}
	met    bool // as much has gone as it needs
}

// MakeRoom is a room.Relieve: it has blobs leave the cache, beyond what its limits ask for, so
// that n bytes more may come. Nothing goes for what would not fit even beside no cache at all.
func (c *Cache) MakeRoom(ctx context.Context, n int64, enough func() bool) {
	if l, err := c.cfg.Blobs.Room().Look(); err == nil {
		c.await(ctx, evict.Want{Bytes: n, Leave: l.Kept}, enough)
	}
}

func (c *Cache) await(ctx context.Context, want evict.Want, enough func() bool) {
	w := &waiter{want: want, enough: enough, done: make(chan struct{})}
	c.mu.Lock()
	c.waiting[w] = struct{}{}
	c.mu.Unlock()
	c.hurry()
	select {
	case <-w.done:
	case <-ctx.Done():
	case <-c.ctx.Done():
	}
	c.mu.Lock()
	delete(c.waiting, w)
	met := w.met
	c.mu.Unlock()
	if met {
		c.settle(ctx, enough)
	}
}

// settle waits until the file system counts what was removed as free.
func (c *Cache) settle(ctx context.Context, enough func() bool) {
	for until := time.Now().Add(settleTime); !enough() && time.Now().Before(until); {
		select {
		case <-time.After(settleLook):
		case <-ctx.Done():
			return
		case <-c.ctx.Done():
			return
		}
	}
}

// RoomForCopy has room made for a copy of n bytes that this registry is to keep and nobody waits
// for, and waits for that: such copies, unlike what clients push and pull, leave MinFree bytes
// free. The error is a *room.Short.
func (c *Cache) RoomForCopy(ctx context.Context, n int64) error {
	err := c.leaves(n)
	var short *room.Short
	if errors.As(err, &short) {
		wait, cancel := context.WithTimeout(ctx, copyWait)
		defer cancel()
		c.await(wait, evict.Want{Bytes: n, Leave: short.Kept}, func() bool { return c.leaves(n) == nil })
		err = c.leaves(n)
	}
	return err
}

// ForCopies is what hinders copies of n bytes in all to come; nil: nothing does, or it cannot be told.
func (c *Cache) ForCopies(n int64) *room.Short {
	var short *room.Short
	_ = errors.As(c.leaves(n), &short)
	return short
}

// leaves refuses n bytes that do not leave enough free.
func (c *Cache) leaves(n int64) error {
	l, err := c.cfg.Blobs.Room().Look()
	if err != nil {
		return fmt.Errorf("room for a copy: %w", err)
	}
	if kept := max(c.cfg.MinFree(), l.Kept); l.Free-l.Promised-n < kept {
		return &room.Short{Of: room.Bytes, Wanted: n, Promised: l.Promised, Free: l.Free, Kept: kept}
	}
	return nil
}

// waiters are those that wait now.
func (c *Cache) waiters() []*waiter {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Collect(maps.Keys(c.waiting))
}

// meets notes that as much has gone as those who wait need.
func (c *Cache) meets(all []*waiter) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range all {
		w.met = true
	}
}

// release ends the waiting of those for whom there is room, and of all when no more is made.
func (c *Cache) release(all []*waiter, over bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range all {
		if _, still := c.waiting[w]; still && (over || w.enough()) {
			delete(c.waiting, w)
			close(w.done)
		}
	}
}
