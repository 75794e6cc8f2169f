package sweep

import (
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/replica"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/sweep/evict"
)

// turn looks at the disk, and has blobs go if that is called for.
func (c *Cache) turn() {
	waiting := c.waiters()
	defer c.release(waiting, true)
	err := c.make(waiting)
	if err != nil && c.ctx.Err() == nil {
		c.cfg.Log.WithError(err).Debug("cannot tell what may leave the cache, or whether it has to")
	}
}

// make makes room, if it is called for, and for those who wait.
func (c *Cache) make(waiting []*waiter) error {
	now, limits, err := c.now()
	if err != nil {
		return err
	}
	met := now
	for _, w := range waiting {
		met.Wanted += w.want.Bytes
	}
	switch {
	case evict.Goal(met, limits) == evict.Amount{}:
		c.able()
		return nil
	case c.rests(len(waiting) > 0):
		return nil
	}
	if waiting, met.Wanted, err = c.meet(waiting, now); err != nil {
		return err
	}
	return c.evict(evict.Goal(met, limits), waiting)
}

// meet gives those who wait and for whom room can be made, and how many bytes they want. Where it
// seems that the cache is too small, it is looked at again.
func (c *Cache) meet(waiting []*waiter, now evict.State) (some []*waiter, wanted int64, err error) {
	wants := make([]evict.Want, len(waiting))
	for i, w := range waiting {
		wants[i] = w.want
	}
	places, wanted := evict.Met(now, c.size, wants)
	if len(places) < len(wants) && time.Since(c.looked) >= 9*c.took {
		if _, err := c.look(); err != nil {
			return nil, 0, err
		}
		places, wanted = evict.Met(now, c.size, wants)
	}
	for _, i := range places {
		some = append(some, waiting[i])
	}
	return some, wanted, nil
}

// rests reports whether nothing could go a short while ago. Even while others wait, no more than
// a tenth of the time is spent on asking in vain.
func (c *Cache) rests(asked bool) bool {
	pause := c.again
	if asked {
		pause = min(pause, againAsked, 9*c.lasted)
	}
	return !c.passed.IsZero() && time.Since(c.passed) < pause
}

// now is what the disk is like, but for those who wait, and what it should be like.
func (c *Cache) now() (s evict.State, l evict.Limits, err error) {
	left, err := c.cfg.Blobs.Room().Look()
	if err != nil {
		return s, l, err
	}
	cached, err := c.cached()
	s = evict.State{Cache: cached, Free: left.Free, Promised: left.Promised, Inodes: left.Inodes}
	l = evict.Limits{Cache: c.cfg.Limit, Free: max(c.cfg.MinFree(), left.Kept+cacheMargin), Inodes: left.KeptInodes}
	return s, l, err
}

// cached is how large the cache is, if it may be too large. All that is here is looked at only
// then, and for no more than a tenth of the time.
func (c *Cache) cached() (int64, error) {
	if c.cfg.Limit == evict.NoLimit {
		return 0, nil
	}
	if members := c.cfg.Members(); members != c.members {
		c.members, c.kept = members, 0
	}
	_, all := c.cfg.Blobs.Usage()
	kept := c.kept - (c.cfg.Blobs.Gone() - c.gone) // what went may have been kept
	switch {
	case all-max(0, kept) <= c.cfg.Limit:
	case time.Since(c.looked) < 9*c.took:
		return c.cfg.Limit, nil // some of it may be kept by now
	default:
		return c.look()
	}
	return all - c.kept, nil
}

// look makes the order of what goes next. whole is how many bytes of whole blobs are cache.
func (c *Cache) look() (whole int64, err error) {
	began := time.Now()
	c.members, c.gone = c.cfg.Members(), c.cfg.Blobs.Gone()
	_, all := c.cfg.Blobs.Usage() // before: what comes meanwhile is not kept for that
	manifests, size := Manifests(c.cfg.Map()), int64(0)
	oldest := evict.NewOldest(orderMost, c.last)
	for h, err := range c.cfg.Blobs.All(c.ctx) {
		if err == nil {
			err = c.ctx.Err()
		}
		if err != nil {
			return 0, err
		}
		if !h.Remnant && (c.cfg.Keeps(h.CID) || manifests.Has(h.CID)) {
			continue
		}
		if size += h.Size; !h.Remnant {
			whole += h.Size
		}
		oldest.Offer(evict.Candidate{Blob: h.CID, Size: h.Size, Used: h.Used, Remnant: h.Remnant})
	}
	c.order, c.size, c.kept = oldest.Sorted(), size, max(0, all-whole)
	c.looked, c.took = time.Now(), time.Since(began)
	return whole, nil
}

// evict has as much go as the goal says, if that can go.
func (c *Cache) evict(goal evict.Amount, waiting []*waiter) error {
	var gone evict.Amount
	began := time.Now()
	defer func() { c.note(gone) }()
	again := c.last.Blob.Defined() // of what was passed over before, some may go now
	for !goal.Reached(gone) && c.ctx.Err() == nil {
		if len(c.order) == 0 || time.Since(c.looked) > orderAge {
			if _, err := c.look(); err != nil {
				return err
			}
		}
		if len(c.order) == 0 {
			c.last = evict.Candidate{}
			if !again {
				break
			}
			again, c.refuse = false, refusals{}
			continue
		}
		var next []evict.Candidate
		next, c.order = evict.Next(c.order, goal.Less(gone), askedMost)
		c.last = next[len(next)-1]
		went := c.ask(next)
		gone.Bytes, gone.Files = gone.Bytes+went.Bytes, gone.Files+went.Files
		c.size -= went.Bytes
		c.release(waiting, false)
	}
	if goal.Reached(gone) || c.ctx.Err() != nil {
		c.able()
		c.meets(waiting)
		return nil
	}
	c.lasted = time.Since(began)
	c.unable(goal.Less(gone))
	return nil
}

// ask gives up what may be given up of some candidates.
func (c *Cache) ask(some []evict.Candidate) (gone evict.Amount) {
	var mu sync.Mutex
	var g errgroup.Group
	g.SetLimit(atOnce)
	for _, one := range some {
		g.Go(func() error {
			err := c.giveUp(one)
			mu.Lock()
			defer mu.Unlock()
			if c.refuse.add(one, err); err == nil {
				gone.Bytes, gone.Files = gone.Bytes+one.Size, gone.Files+1
			}
			return nil
		})
	}
	_ = g.Wait() // nothing in it fails
	return gone
}

// giveUp gives up one candidate, unless it has been used since the order was made, or is kept by now.
func (c *Cache) giveUp(one evict.Candidate) error {
	if one.Remnant {
		return c.cfg.Blobs.DeleteRemnant(c.ctx, one.Blob)
	}
	used, err := c.cfg.Blobs.LastUse(one.Blob)
	switch {
	case err != nil:
		return err
	case used.After(one.Used), c.cfg.Keeps(one.Blob):
		return blob.ErrUsed
	}
	err = c.cfg.Bytes.GiveUp(c.ctx, one.Blob, func(remove func() error) error {
		return c.cfg.GiveUp(c.ctx, one.Blob, remove)
	})
	if _, there := c.cfg.Blobs.LastUse(one.Blob); errors.Is(there, blob.ErrNotFound) {
		return nil // on a full disk its file may be gone, and its record not yet
	}
	return err
}

// refusals are what could not go in a pass, and why.
type refusals struct {
	last, used Removed // copies that others do not keep; in use, or going already
}

func (r *refusals) add(one evict.Candidate, err error) {
	of := &r.last
	switch {
	case err == nil, errors.Is(err, blob.ErrNotFound), errors.Is(err, replica.ErrKeeper):
		return
	case errors.Is(err, blob.ErrUsed), errors.Is(err, blob.ErrPinned):
		of = &r.used
	}
	of.Blobs++
	of.Bytes += one.Size
}
