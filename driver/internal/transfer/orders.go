package transfer

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/bitset"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/schedule"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/wire"
)

// order is leaves that a worker is told to fetch from a holder.
type order struct {
	run      *schedule.Run // the coordinator's, as is relay
	relay    *relay        // nil: the holder is asked for its own copy
	seats    int           // of the crew that it takes
	rests    bool          // they are given back while nothing comes
	from     int
	holder   peer.ID
	terms    wire.Terms
	pieces   bool          // one leaf, over as many connections as it has seats
	patience time.Duration // the holder may send nothing for that long
	began    time.Time
	ctx      context.Context
	cut      context.CancelCauseFunc

	end  atomic.Int64 // the leaf before which to stop; the coordinator may lower it
	flow flow
}

// flow is what has come of an order.
type flow struct {
	got  atomic.Int64 // bytes
	last atomic.Int64 // when the last came, nanoseconds since the order began
}

// refresh tells the plan what has come.
func (o *order) refresh() {
	o.run.Got = o.flow.got.Load()
	o.run.Last = o.began.Add(time.Duration(o.flow.last.Load()))
}

// assign gives out orders until everybody is busy, or there is nothing to do.
func (c *coordinator) assign(now time.Time) {
	c.idle = false
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

// rest gives the seats of an order back while nothing comes of it, because its holder is
// silent or its reader takes its time: what others fetch need not wait for that.
func (c *coordinator) rest(now time.Time) {
	for _, o := range c.orders {
		o.refresh()
		switch rests := now.Sub(o.run.Last) >= c.j.t.timing.retry; {
		case rests && !o.rests:
			c.claim.Give(o.seats)
		case !rests && o.rests:
			c.claim.Again(o.seats)
		default:
			continue
		}
		o.rests = !o.rests
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
		busy := len(c.orders) - c.first.workers()
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

// hire takes a seat of the crew, perhaps only for a leaf that a reader waits for.
func (c *coordinator) hire(urgent bool) bool {
	return c.claim.Take(urgent || len(c.plan.Awaited()) > 0, c.j.use.background.Load())
}

// next asks the plan for a run. Another may be shortened by that.
func (c *coordinator) next(now time.Time, urgent bool) *schedule.Run {
	for _, o := range c.orders {
		o.refresh()
	}
	r := c.plan.Next(schedule.Now{Time: now, Absent: c.absent(), Begun: c.begun}, c.roster, urgent)
	for other, o := range c.orders {
		o.end.Store(int64(other.To))
	}
	return r
}

// startRun orders what the plan has chosen. The first leaf of a blob comes in pieces, and
// from a relay if the holder names one.
func (c *coordinator) startRun(r *schedule.Run) {
	o := &order{run: r, seats: 1}
	if r.Relayed {
		o.terms.Relay = true
	}
	if _, length := spanOf(c.j.ref, r.From); !c.begun && length > minPiece {
		c.plan.Shorten(r)
		o.pieces, o.terms.Relay = true, true
		o.seats += c.claim.More(pieces - 1)
	}
	c.start(o)
}

// start has a worker carry out an order, of which its run says what and from whom.
func (c *coordinator) start(o *order) {
	o.from, o.holder, o.patience, o.began = o.run.From, o.run.Holder, o.run.Patience, o.run.Began
	if c.j.passage == nil && c.roster.Damaged(o.holder) {
		o.terms.Remains = true
	}
	o.end.Store(int64(o.run.To))
	o.ctx, o.cut = context.WithCancelCause(c.j.ctx)
	c.orders[o.run] = o
	c.wg.Go(func() {
		err := c.j.perform(o)
		o.cut(nil)
		c.j.send(finished{o, err})
	})
}

// finish takes in how an order ended. A holder that names relays is followed to these.
func (c *coordinator) finish(o *order, err error) {
	delete(c.orders, o.run)
	if !o.pieces || err == nil && o.patience == 0 { // else it may have waited
		c.roster.Measured(o.holder, o.flow.got.Load(), time.Since(o.began))
	}
	goesOn, err := c.follow(o, err)
	if goesOn {
		return
	}
	if !o.rests {
		c.claim.Give(o.seats)
	}
	c.settle(o.holder, err)
	c.plan.Release(o.run)
	c.first.finished(o)
	c.line.finished()
}

// hash decides about what an earlier run left, which may take seconds.
func (c *coordinator) hash() {
	c.hashing = true
	c.wg.Go(func() {
		_, missing := c.j.partial().Missing(c.j.ctx, 0)
		c.j.send(hashed{missing})
	})
}

// firstLeaf is the begin of a transfer: the leaf that a client waits for has the whole
// bandwidth for a moment.
type firstLeaf struct {
	order   *order // for it, without knowing the layout
	over    bool   // no such order will be given
	laidOut time.Time
	all     bool // the moment is over
}

// begin decides whether the leaf that a client waits for is fetched while the blob's inner
// blocks are still on their way: where a leaf lies follows from the size alone. The leaf is
// verified when they are here.
func (c *coordinator) begin() {
	j := c.j
	if j.why.leaf < 0 || j.ref.Size <= dag.LeafSize || j.passage != nil {
		c.first.over = true
		return
	}
	_, err := j.t.cfg.Blobs.Block(j.ctx, j.ref.CID)
	c.first.over = err == nil // resumed: perhaps the leaf is here as well
}

func (c *coordinator) assignFirst(now time.Time) {
	f := &c.first
	if f.over || f.order != nil {
		return
	}
	if c.j.layout() != nil {
		f.over = true // no hurry: it is an order like others
		return
	}
	leaf := c.j.why.leaf
	if !c.hire(true) {
		return
	}
	id, ok := c.roster.Pick(now, leaf)
	if !ok {
		c.claim.Give(1)
		return
	}
	r := &schedule.Run{First: leaf, From: leaf, To: leaf + 1, Holder: id, Began: now, Last: now}
	c.plan.Claim(r)
	f.order = &order{run: r, pieces: true, terms: wire.Terms{Relay: true}, seats: 1 + c.claim.More(pieces-1)}
	c.start(f.order)
}

func (f *firstLeaf) finished(o *order) {
	if f.order == o {
		f.order, f.over = nil, true
	}
}

func (f *firstLeaf) workers() int {
	if f.order != nil {
		return 1
	}
	return 0
}

// staff is how many orders may be under way, and how many more for leaves that readers
// wait for.
func (f *firstLeaf) staff(c *coordinator, now time.Time) (steady, urgent int) {
	switch phase := f.phase(c, now); {
	case phase == noWorker:
		return 0, 0
	case phase == oneWorker || c.j.ref.Size <= minPiece:
		return 1, 0
	}
	leaves := dag.LeavesOf(c.j.ref.Size)
	if leaves == 1 {
		return 1, 1
	}
	return min(c.roster.Streams(now), leaves), 1
}

// phase is who may work.
type phase int

const (
	noWorker phase = iota
	oneWorker
	allWorkers
)

// phase gives the first leaf a moment, or, when the link is slow, as long as bytes of it
// come from the likeliest holder.
func (f *firstLeaf) phase(c *coordinator, now time.Time) phase {
	t, m := c.j.t.timing, &c.j.meter
	alone := now.Sub(f.laidOut) < t.alone
	switch {
	case f.laidOut.IsZero(), f.order != nil && alone:
		return noWorker
	case f.all || c.begun || c.j.why.leaf < 0:
	case alone, m.flowing() < t.retry && !c.relayed:
		return oneWorker
	}
	f.all = true
	return allWorkers
}

// line is the leaves of a blob that is handed on and not kept, one after the other.
type line struct {
	next int
	most int // leaves of the next request: few until the reader shows that it goes on
}

func (l *line) passed(leaf int) { l.next = leaf + 1 }

func (l *line) finished() { l.most = min(2*l.most, schedule.MaxRun) }

// absent is all that was not handed on.
func (l *line) absent(leaves int) bitset.Set {
	s := bitset.New(leaves)
	for i := l.next; i < leaves; i++ {
		s.Add(i)
	}
	return s
}

// assignNext orders the next leaves of a blob that is handed on.
func (c *coordinator) assignNext(now time.Time) {
	leaves := dag.LeavesOf(c.j.ref.Size)
	if c.j.layout() == nil || len(c.orders) > 0 || c.swap.under || !c.hire(true) {
		return
	}
	from := c.line.next
	id, ok := c.roster.Pick(now, from)
	if !ok {
		c.claim.Give(1)
		return
	}
	n := 1
	if c.roster.Holds(id) {
		n = min(c.line.most, leaves-from)
	}
	r := &schedule.Run{First: from, From: from, To: from + n, Holder: id, Began: now, Last: now}
	c.plan.Claim(r)
	c.start(&order{run: r, seats: 1})
}

// swap is the fetching of leaves by bitswap, one by one.
type swap struct {
	under  bool
	failed bool
	works  bool // it brought something of this blob
	rests  time.Time
}

// hopesForSwap reports whether bitswap may yet bring something.
func (c *coordinator) hopesForSwap() bool {
	return c.j.t.cfg.Bitswap != nil && (c.swap.works || !c.swap.failed)
}

// lastResort gets a leaf by bitswap while no member has the blob. It claims nothing: a
// member that comes back is faster.
func (c *coordinator) lastResort(now time.Time) {
	s, t := &c.swap, c.j.t.timing
	if c.j.t.cfg.Bitswap == nil || s.under || now.Before(s.rests) || c.roster.Enough(now) ||
		!c.search.all || c.j.layout() == nil || c.hashing || c.j.ctx.Err() != nil {
		return
	}
	leaf, ok := c.lacking()
	if !ok {
		return
	}
	patience := 2 * t.ask // possibly no member has it
	if s.works {
		patience = t.silence
	}
	s.under = true
	c.wg.Go(func() {
		c.j.send(swapped{c.j.leafByBitswap(leaf, patience)})
		c.j.send(swapDone{})
	})
}

// lacking is a leaf that is missing, if possible one that a reader waits for.
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
