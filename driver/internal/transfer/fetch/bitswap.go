package fetch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ipfs/go-cid"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
)

// swap is the state of fetching leaves by bitswap, one at a time.
type swap struct {
	under  bool      // a leaf is being fetched
	failed bool      // it has failed at least once
	works  bool      // it has brought something of this blob
	rests  time.Time // until when it is not tried again
	leaf   int       // that is being fetched
}

// hopesForSwap reports whether bitswap may yet bring something.
func (c *coordinator) hopesForSwap() bool {
	return c.j.f.Bitswap != nil && (c.swap.works || !c.swap.failed)
}

// lastResort gets a leaf by bitswap while no member has the blob. It does not claim the leaf, so
// that a member that comes back can still send it, which is faster.
func (c *coordinator) lastResort(now time.Time) {
	s, t := &c.swap, c.j.f.Timing
	if c.j.f.Bitswap == nil || s.under || now.Before(s.rests) || c.roster.Enough(now) ||
		!c.search.all || c.j.layout() == nil || c.hashing || c.j.ctx.Err() != nil {
		return
	}
	leaf, ok := c.lacking()
	if !ok {
		return
	}
	patience := 2 * t.Ask // perhaps no peer has it
	if s.works {
		patience = t.Silence
	}
	s.under, s.leaf = true, leaf
	c.wg.Go(func() {
		c.j.send(swapped{c.j.leafByBitswap(leaf, patience)})
		c.j.send(swapDone{})
	})
}

// lacking returns a leaf that is missing, if possible one that a reader waits for.
func (c *coordinator) lacking() (leaf int, ok bool) {
	if c.j.passage != nil {
		return c.line.next, len(c.orders) == 0
	}
	absent := c.absent()
	if awaited := slices.DeleteFunc(c.plan.Awaited(), func(i int) bool { return !absent.Has(i) }); len(awaited) > 0 {
		return awaited[0], true
	}
	leaves := dag.LeavesOf(c.j.ref.Size)
	for i := range leaves {
		if absent.Has(i) {
			return i, true
		}
	}
	return 0, false
}

// leafByBitswap gets a leaf from peers that need not be members.
func (j *Job) leafByBitswap(leaf int, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(j.ctx, patience)
	defer cancel()
	c, _, _ := j.here.layout.Leaf(leaf)
	b, err := j.f.Bitswap(ctx, c)
	if err == nil {
		j.received(len(b))
		err = j.take(leaf, b, nil)
	}
	if err != nil {
		j.log().WithError(err).Debug("bitswap did not bring the leaf either")
	}
	return err
}

// blockByBitswap gets an inner block by bitswap, but only once every member has been asked.
func (j *Job) blockByBitswap(ctx context.Context, c cid.Cid, asked bool) ([]byte, error) {
	if j.f.Bitswap == nil || !asked {
		return nil, errUnasked
	}
	ctx, cancel := context.WithTimeout(ctx, 2*j.f.Timing.Ask)
	defer cancel()
	b, err := j.f.Bitswap(ctx, c)
	if err != nil || !dag.Matches(c, b) {
		err = fmt.Errorf("block %s by bitswap: %w", c, errors.Join(err, ctx.Err(), errUnasked))
		j.send(swapped{err})
		return nil, err
	}
	j.send(swapped{nil})
	j.received(len(b))
	j.meter.progress()
	return b, nil
}

// swapped: bitswap has brought something of the blob, or failed.
type swapped struct{ err error }

func (e swapped) apply(c *coordinator) {
	if e.err != nil {
		c.swap.failed = true
		c.swap.rests = time.Now().Add(c.j.f.Timing.Retry)
		return
	}
	c.swap.works = true
}

// swapDone: no leaf is being fetched by bitswap any more.
type swapDone struct{}

func (swapDone) apply(c *coordinator) { c.swap.under = false }
