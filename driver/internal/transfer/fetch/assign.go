package fetch

import (
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/schedule"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/wire"
)

// assign gives out orders until all workers are busy, or there is nothing to do.
func (c *coordinator) assign(now time.Time) {
	c.idle, c.record.short = false, false
	c.claim.Pass()
	c.rest(now)
	if c.j.ctx.Err() != nil {
		return
	}
	if c.j.passage != nil {
		c.assignNext(now)
		return
	}
	c.assignFirst(now)
	c.assignRuns(now)
}

// rest gives the seats of an order back while no bytes come, because the holder is silent or
// the reader takes its time, so that other transfers need not wait for either.
func (c *coordinator) rest(now time.Time) {
	for _, o := range c.orders {
		o.refresh()
		switch rests := now.Sub(o.run.Last) >= c.j.f.Timing.Retry || o.run.Hangs(); {
		case rests && !o.hold.rests:
			c.claim.Give(o.hold.seats)
		case !rests && o.hold.rests:
			c.claim.Again(o.hold.seats)
		default:
			continue
		}
		o.hold.rests = !o.hold.rests
	}
}

// assignRuns orders what the plan chooses.
func (c *coordinator) assignRuns(now time.Time) {
	staff, urgent := c.first.staff(c, now)
	if staff == 0 || c.hashing {
		return
	}
	if c.absent().Count() == 0 {
		if !c.endIfWhole() {
			c.hash()
		}
		return
	}
	for {
		busy := c.busy()
		if busy >= staff+urgent || !c.hire(busy >= staff) {
			return
		}
		r := c.next(now, busy >= staff)
		if r == nil {
			c.claim.Give(1)
			c.idle = busy < staff
			return
		}
		c.startRun(r)
	}
}

// busy returns how many orders are under way, besides those for the first leaf and those that bring
// nothing.
func (c *coordinator) busy() (n int) {
	for _, o := range c.orders {
		if !o.run.Hangs() && !slices.Contains(c.first.orders, o) {
			n++
		}
	}
	return n
}

// hire takes a seat of the crew, perhaps only for a leaf that a reader waits for.
func (c *coordinator) hire(urgent bool) bool {
	taken := c.claim.Take(urgent || len(c.plan.Awaited()) > 0, c.j.use.background.Load())
	c.record.short = !taken
	return taken
}

// next asks the plan for a run. The plan may shorten other runs for it.
func (c *coordinator) next(now time.Time, urgent bool) *schedule.Run {
	for _, o := range c.orders {
		o.refresh()
	}
	r := c.plan.Next(schedule.Now{Time: now, Absent: c.absent(), Begun: c.begun}, c.roster, urgent)
	for other, o := range c.orders {
		o.flow.to.Store(int64(other.To))
	}
	return r
}

// startRun orders what the plan has chosen. The first leaf of a transfer comes in pieces, and from
// a relay if the holder names one.
func (c *coordinator) startRun(r *schedule.Run) {
	o := &order{run: r, hold: hold{seats: 1}}
	if r.Relayed {
		o.terms.Relay = true
	}
	if _, length := spanOf(c.j.ref, r.From); !c.begun && length > minPiece {
		c.plan.Shorten(r)
		o.pieces, o.terms.Relay = true, true
		o.hold.seats += c.claim.More(c.pieces() - 1)
	}
	c.start(o)
}

// pieces is in how many parts the first leaf is asked for. A small blob takes one connection
// while others are at work, because these bring as much at once; and when it is alone it leaves
// a seat to each of seven that begin with it.
func (c *coordinator) pieces() int {
	switch {
	case !c.j.small():
		return Pieces
	case c.claim.Alone():
		return Pieces - 1
	}
	return 1
}

// hash has what an earlier run left hashed, which may take seconds.
func (c *coordinator) hash() {
	c.hashing = true
	c.wg.Go(func() {
		_, missing := c.j.partial().Missing(c.j.ctx, 0)
		c.j.send(hashed{missing})
	})
}

// maxFirst is of how many holders the first leaf is asked, of one after the other has sent nothing.
const maxFirst = 8

// firstLeaf is the beginning of a transfer, when the leaf that a client waits for has the whole
// bandwidth for a moment.
type firstLeaf struct {
	orders  []*order  // for that leaf, given before the layout was known
	over    bool      // no such order will be given any more
	laidOut time.Time // when the layout was known
	all     bool      // the moment is over
}

// begin decides whether to fetch the leaf that a client waits for while the blob's inner blocks
// are still on their way. That is possible because the place of a leaf follows from the blob's size
// alone. The leaf is verified when the inner blocks are here.
func (c *coordinator) begin() {
	j := c.j
	if j.why.Leaf < 0 || j.ref.Size <= dag.LeafSize || j.passage != nil {
		c.first.over = true
		return
	}
	_, err := j.f.Blobs.Block(j.ctx, j.ref.CID)
	c.first.over = err == nil // resumed: perhaps the leaf is here as well
}

func (c *coordinator) assignFirst(now time.Time) {
	f := &c.first
	if f.over || !f.hang(c, now) {
		return
	}
	if c.j.layout() != nil {
		f.over = true // the leaf is ordered like any other
		return
	}
	leaf := c.j.why.Leaf
	if len(f.orders) >= maxFirst || !c.hire(true) {
		return
	}
	var whom []peer.ID
	for _, o := range f.orders {
		whom = append(whom, o.holder)
	}
	id, ok := c.roster.Pick(now, leaf, whom...)
	if !ok {
		c.claim.Give(1)
		return
	}
	r := &schedule.Run{First: leaf, From: leaf, To: leaf + 1, Holder: id, Began: now, Last: now}
	c.plan.Claim(r)
	o := &order{run: r, pieces: true, terms: wire.Terms{Relay: true}, hold: hold{seats: 1 + c.claim.More(Pieces-1)}}
	f.orders = append(f.orders, o)
	c.start(o)
}

// hang reports whether none of the orders brings anything.
func (f *firstLeaf) hang(c *coordinator, now time.Time) bool {
	for _, o := range f.orders {
		if o.refresh(); !c.plan.Mute(now, o.run) {
			return false
		}
	}
	return true
}

func (f *firstLeaf) finished(o *order) {
	if i := slices.Index(f.orders, o); i >= 0 {
		f.orders = slices.Delete(f.orders, i, i+1)
		f.over = len(f.orders) == 0
	}
}

// handed puts an order in the place of one that goes on with another holder.
func (f *firstLeaf) handed(o, n *order) {
	if i := slices.Index(f.orders, o); i >= 0 {
		f.orders[i] = n
	}
}

// staff returns how many orders may be under way, and how many more of them for leaves that readers
// wait for.
func (f *firstLeaf) staff(c *coordinator, now time.Time) (steady, urgent int) {
	switch phase := f.phase(c, now); {
	case phase == noWorker:
		return 0, 0
	case phase == oneWorker:
		return 1, 0
	case c.j.ref.Size <= minPiece && !c.silent() && !c.hangs(now):
		return 1, 0 // another holder would hardly be faster
	}
	leaves := dag.LeavesOf(c.j.ref.Size)
	if leaves == 1 {
		return 1, maxFirst
	}
	if c.j.paced() {
		return min(c.roster.Streams(now), leaves, pacedOrders), 1
	}
	return min(c.roster.Streams(now), leaves), 1
}

// hangs reports whether no order brings anything, though there are some.
func (c *coordinator) hangs(now time.Time) bool {
	for _, o := range c.orders {
		if o.refresh(); !c.plan.Mute(now, o.run) {
			return false
		}
	}
	return len(c.orders) > 0
}

// silent reports whether no bytes come for an order that is under way.
func (c *coordinator) silent() bool {
	for _, o := range c.orders {
		if o.hold.rests {
			return true
		}
	}
	return false
}

// phase says how many workers a transfer may have.
type phase int

const (
	noWorker phase = iota
	oneWorker
	allWorkers
)

// phase gives the first leaf a moment for itself, and on a slow link as long as its bytes keep
// coming from the holder that was asked first.
func (f *firstLeaf) phase(c *coordinator, now time.Time) phase {
	t, m := c.j.f.Timing, &c.j.meter
	alone := now.Sub(f.laidOut) < t.Alone
	switch {
	case f.laidOut.IsZero(), !f.hang(c, now) && alone:
		return noWorker
	case f.all || c.begun || c.j.why.Leaf < 0:
	case c.hangs(now):
	case alone, m.flowing() < t.Retry && !c.relayed:
		return oneWorker
	}
	f.all = true
	return allWorkers
}
