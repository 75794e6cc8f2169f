package sweep

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	ds "github.com/ipfs/go-datastore"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/lease"
)

const (
	clockRead = lease.MaxGap / 2
	clockSave = 10 * time.Minute // what a kill loses of the running time, at most
)

var clockKey = ds.NewKey("/sweep/clock") // running time when it was written, in nanoseconds

// Clock counts the time that this registry has run, over all of its runs. It is safe for
// concurrent use.
type Clock struct {
	store ds.Datastore

	mu    sync.Mutex
	clock *lease.Clock
}

// OpenClock goes on from the last run.
func OpenClock(ctx context.Context, store ds.Datastore) (*Clock, error) {
	b, err := store.Get(ctx, clockKey)
	if err != nil && !errors.Is(err, ds.ErrNotFound) {
		return nil, fmt.Errorf("read the running time: %w", err)
	}
	at, _ := binary.Uvarint(b)
	return &Clock{store: store, clock: lease.NewClock(lease.Moment(at), time.Now())}, nil
}

// Now is the moment that it is.
func (c *Clock) Now() lease.Moment {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.clock.Read(time.Now())
}

// run reads the clock often enough for it to count, and saves it now and then, until ctx ends.
func (c *Clock) run(ctx context.Context) {
	tick := time.NewTicker(clockRead)
	defer tick.Stop()
	saved := c.Now()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			_ = c.save(context.WithoutCancel(ctx))
			return
		}
		if now := c.Now(); now.Sub(saved) >= clockSave && c.save(ctx) == nil {
			saved = now // else the disk is full: it is tried again, and a kill loses more
		}
	}
}

func (c *Clock) save(ctx context.Context) error {
	return c.store.Put(ctx, clockKey, binary.AppendUvarint(nil, uint64(c.Now())))
}
