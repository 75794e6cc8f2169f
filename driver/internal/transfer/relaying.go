package transfer

import (
	"errors"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/wire"
)

// relay is the way of a leaf whose holder named others to ask. They get it as well, and may
// themselves still be waiting for it; when they fail, or have nothing for too long, it comes
// from the holder after all. A slow member is overtaken as any holder is.
type relay struct {
	holder peer.ID
	ids    []peer.ID // to be asked, in this order
	until  time.Time
	over   bool // the holder is asked itself
}

// follow goes on with an order whose holder named others, or of which one of these failed;
// false when the order is over, with what is to be said of its holder.
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
	case errors.Is(err, wire.ErrNotYet) && time.Since(o.began) > c.j.t.timing.ask/2:
		o.relay.ids, err = append(o.relay.ids, o.holder), nil // it waited, and may have the leaf soon
	case errors.Is(err, wire.ErrSilent):
		o.relay.ids = nil
	}
	if err == nil && c.begun && !time.Now().Before(o.relay.until) {
		return false, errOvertaken // the others will have the leaf: it is free again
	}
	c.passOn(o, err)
	return true, nil
}

// toRelays asks the members that a holder named. The first leaf of a blob waits longer for
// them, because all wait for that at once.
func (c *coordinator) toRelays(o *order, ids []peer.ID) {
	c.relayed = true
	patience := c.j.t.timing.ask
	if o.pieces {
		patience = c.j.t.timing.relay
	}
	o.relay = &relay{holder: o.holder, ids: c.askable(o, ids), until: time.Now().Add(patience)}
	c.passOn(o, nil)
}

// passOn hands an order to the next member; err is how the one before failed, if it did.
func (c *coordinator) passOn(o *order, err error) {
	if err == nil {
		c.roster.Free(o.holder)
	} else {
		c.settle(o.holder, err)
	}
	n := &order{relay: o.relay, pieces: true, seats: o.seats, rests: o.rests}
	r, now, id, patience := o.relay, time.Now(), o.relay.holder, time.Duration(0)
	if len(r.ids) > 0 && now.Before(r.until) {
		id, r.ids = r.ids[0], r.ids[1:]
		c.roster.Meet(id)
		patience = c.j.t.timing.ask
		n.terms.Wait = c.j.t.timing.ask // as long as the run may wait for its first byte
	}
	r.over = patience == 0
	c.roster.Take(id)
	n.run = c.plan.Hand(now, o.run, id, patience)
	if c.first.order == o {
		c.first.order = n
	}
	c.start(n)
}

// needless reports whether a leaf that did not come need not come any more.
func (c *coordinator) needless(o *order, err error) bool {
	absent := c.absent()
	return c.j.ctx.Err() != nil || errors.Is(err, errOvertaken) || absent != nil && !absent.Has(o.from)
}

// askable returns those of some members that can be asked for the leaf of an order:
// connected ones that have not failed, have no bad copy, and are not being asked for that
// leaf already.
func (c *coordinator) askable(o *order, ids []peer.ID) []peer.ID {
	connected := c.j.t.cfg.Swarm.Connected()
	return slices.DeleteFunc(ids, func(id peer.ID) bool {
		return !slices.Contains(connected, id) || c.j.t.holders.Blames(id, c.j.ref.CID) ||
			c.roster.Failed(id) || c.plan.Asks(id, o.from)
	})
}
