package fetch

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/schedule"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/wire"
)

// order tells a worker which leaves to fetch from which holder.
type order struct {
	run      *schedule.Run // belongs to the coordinator, as does relay
	relay    *relay        // nil: the holder is asked for its own copy
	hold     hold
	from     int
	holder   peer.ID
	terms    wire.Terms
	pieces   bool          // one leaf, over as many connections as the order has seats
	patience time.Duration // how long the holder may send nothing at first; 0: Timing.Silence
	began    time.Time
	ctx      context.Context
	cut      context.CancelCauseFunc
	flow     flow

	mute  time.Duration // for which its holder was mute, as far as it was noted
	heard time.Time     // when that was noted last
}

// hold is the part of the crew that an order has.
type hold struct {
	seats int
	rests bool // the seats are given back while no bytes come
}

// flow is how far an order is to go, and how much of it has come.
type flow struct {
	to   atomic.Int64 // the leaf before which to stop; the coordinator may lower it
	got  atomic.Int64 // bytes
	last atomic.Int64 // when the last byte came, in nanoseconds since the order began

	first atomic.Int64 // when the first byte came, likewise
	waits atomic.Int64 // since when the worker waits for bytes, likewise; negative: it is at work on some
	road  atomic.Int32 // the wire.Road by which the holder answered
}

// works notes that the worker is at work on what has come, or waits for bytes again.
func (o *order) works(on bool) {
	if on {
		o.flow.waits.Store(-1)
		return
	}
	o.flow.waits.Store(int64(time.Since(o.began)))
}

// refresh tells the plan what has come.
func (o *order) refresh() {
	o.run.Got = o.flow.got.Load()
	o.run.Last = o.began.Add(time.Duration(o.flow.last.Load()))
}

// start has a worker carry out an order. The order's run says which leaves to fetch, and from whom.
func (c *coordinator) start(o *order) {
	o.from, o.holder, o.patience, o.began = o.run.From, o.run.Holder, o.run.Patience, o.run.Began
	if c.j.passage == nil && c.roster.Damaged(o.holder) {
		o.terms.Remains = true
	}
	o.flow.to.Store(int64(o.run.To))
	ctx, span := c.orderSpan()
	o.ctx, o.cut = context.WithCancelCause(ctx)
	c.orders[o.run] = o
	c.record.Order(o.holder, time.Now())
	c.wg.Go(func() {
		err := c.j.perform(o)
		o.cut(nil)
		c.j.tellOrderSpan(span, o, err)
		c.j.send(finished{o, err})
	})
}

// finish handles the end of an order. When the holder named relays, the order goes on with these.
func (c *coordinator) finish(o *order, err error) {
	delete(c.orders, o.run)
	c.record.done(c, o, err)
	if !o.pieces || err == nil && o.patience == 0 { // else the holder may have waited for the leaf
		c.roster.Measured(o.holder, o.flow.got.Load(), time.Since(o.began))
	}
	goesOn, err := c.follow(o, err)
	if goesOn {
		return
	}
	if !o.hold.rests {
		c.claim.Give(o.hold.seats)
	}
	c.settle(o.holder, err)
	c.plan.Release(o.run)
	c.first.finished(o)
	c.line.finished()
}

// relay is the way of a leaf whose holder named others to ask. Those get the leaf as well, and may
// still be waiting for it themselves. When they fail, or do not have it for too long, the holder is
// asked after all. A slow relay is overtaken like any other holder.
type relay struct {
	holder peer.ID   // that named the others
	ids    []peer.ID // the members to ask next, in this order
	until  time.Time // then no further member is asked
	over   bool      // the holder itself is being asked
}

// follow goes on with an order whose holder named others, or for which one of those failed. It
// returns false when the order is over, with the error to hold against its holder, if any.
func (c *coordinator) follow(o *order, err error) (bool, error) {
	named := new(wire.RelayedError)
	switch {
	case o.relay == nil && errors.As(err, &named):
		if c.plan.Shorten(o.run); o.run.From == o.run.To {
			return false, errOvertaken
		}
		c.toRelays(o, named.IDs)
		return true, nil
	case o.relay == nil || o.relay.over || err == nil || c.needless(o, err):
		return false, err
	}
	switch {
	case errors.Is(err, wire.ErrNotYet) && time.Since(o.began) > c.j.f.Timing.Ask/2:
		// It waited for the leaf, and may have it soon.
		o.relay.ids, err = append(o.relay.ids, o.holder), nil
	case errors.Is(err, wire.ErrSilent):
		o.relay.ids = nil
	}
	if err == nil && c.begun && !time.Now().Before(o.relay.until) {
		return false, errOvertaken // the relays will have the leaf later: anybody may fetch it now
	}
	c.passOn(o, err)
	return true, nil
}

// toRelays asks the members that a holder named. For the first leaf of a blob it gives them
// longer, because all registries wait for that leaf at once.
func (c *coordinator) toRelays(o *order, ids []peer.ID) {
	c.relayed = true
	patience := c.j.f.Timing.Ask
	if o.pieces {
		patience = c.j.f.Timing.Relay
	}
	o.relay = &relay{holder: o.holder, ids: c.askable(o, ids), until: time.Now().Add(patience)}
	c.passOn(o, nil)
}

// passOn hands an order to the next member; err is how the previous one failed, if it did.
func (c *coordinator) passOn(o *order, err error) {
	if err == nil {
		c.roster.Free(o.holder)
	} else {
		c.settle(o.holder, err)
	}
	n := &order{relay: o.relay, pieces: true, hold: o.hold}
	r, now, id, patience := o.relay, time.Now(), o.relay.holder, time.Duration(0)
	if len(r.ids) > 0 && now.Before(r.until) {
		id, r.ids = r.ids[0], r.ids[1:]
		c.roster.Meet(id)
		c.judge(id)
		patience = c.j.f.Timing.Ask
		n.terms.Wait = c.j.f.Timing.Ask // the run may wait that long for its first byte, too
	}
	r.over = patience == 0
	c.roster.Take(id)
	n.run = c.plan.Hand(now, o.run, id, patience)
	if !r.over {
		n.run.Namer = r.holder
	}
	c.first.handed(o, n)
	c.start(n)
}

// needless reports whether a leaf that did not come need not come any more.
func (c *coordinator) needless(o *order, err error) bool {
	absent := c.absent()
	return c.j.ctx.Err() != nil || errors.Is(err, errOvertaken) || absent != nil && !absent.Has(o.from)
}

// askable returns those members among ids that can be asked for the leaf of an order: they are
// connected, not sunk, have not failed or sent wrong bytes of the blob, and are not being asked for
// that leaf already.
func (c *coordinator) askable(o *order, ids []peer.ID) []peer.ID {
	connected := c.j.f.Holders.Connected()
	return slices.DeleteFunc(ids, func(id peer.ID) bool {
		return !slices.Contains(connected, id) || c.j.f.Holders.Standing(id).Sunk || c.j.f.Holders.Blames(id, c.j.ref.CID) ||
			c.roster.Failed(id) || c.plan.Asks(id, o.from)
	})
}
