package fetch

import (
	"errors"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/bitset"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/schedule"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/wire"
)

// event is something that happened to a transfer. The coordinator applies it to its state.
type event interface{ apply(c *coordinator) }

// send gives the coordinator an event; false when the coordinator takes no more of them.
func (j *Job) send(e event) bool {
	select {
	case j.events <- e:
		return true
	case <-j.end.stopped:
		return false
	}
}

// laidOut: the blob's inner blocks are here, and with them the job's layout and partial.
type laidOut struct{}

func (laidOut) apply(c *coordinator) {
	c.j.meter.progress()
	c.unsaid = true
	c.first.laidOut = time.Now()
	switch {
	case c.j.small():
		c.plan.Seen(0)
		c.endIfWhole()
	case c.j.passage == nil:
		c.wg.Go(c.j.reuse)
	}
}

// borrow: a goroutine wants a holder to ask for an inner block. It gives the holder back with
// returned.
type borrow struct {
	but    []peer.ID       // none of these
	answer chan<- borrowed // has room for one answer
}

type borrowed struct {
	holder peer.ID // empty: there is none now
	all    bool    // every member has been asked whether it holds the blob
}

func (e borrow) apply(c *coordinator) {
	id, _ := c.roster.Pick(time.Now(), schedule.AnyLeaf, e.but...)
	e.answer <- borrowed{id, c.search.all}
}

// returned: a borrowed holder is given back.
type returned struct {
	id   peer.ID
	err  error
	took time.Duration
}

func (e returned) apply(c *coordinator) {
	c.record.asked(c, e)
	c.settle(e.id, e.err)
	if errors.Is(e.err, errMute) {
		c.j.f.Holders.Beaten(e.id)
		c.judge(e.id)
	}
}

// landed: a leaf is here, verified.
type landed struct {
	leaf int
	of   *order // nil: no member sent it
}

func (e landed) apply(c *coordinator) {
	c.j.meter.progress()
	c.begun, c.unsaid = true, true
	c.record.leaf(c, e)
	if e.of != nil {
		for _, r := range c.plan.Skip(e.of.run) {
			c.beaten(c.orders[r])
		}
		c.j.f.Holders.Proved(e.of.holder)
		c.roster.Proved(e.of.holder)
		c.judge(e.of.holder)
		if c.roster.Holds(e.of.holder) {
			c.j.f.Holders.Served(e.of.holder)
		}
		c.outdone(e.of.holder)
	}
	c.line.passed(e.leaf)
	c.endIfWhole()
}

// seen: no other blob here has these leaves.
type seen struct{ leaves []int }

func (e seen) apply(c *coordinator) { c.plan.Seen(e.leaves...) }

// hashed: what an earlier run left has been hashed.
type hashed struct{ missing bool } // some leaves have to be fetched

func (e hashed) apply(c *coordinator) {
	c.hashing = false
	if e.missing {
		c.j.meter.progress()
	}
	c.endIfWhole()
}

// finished: a worker has carried out its order, or failed.
type finished struct {
	o   *order
	err error
}

func (e finished) apply(c *coordinator) { c.finish(e.o, e.err) }

// slow: a leaf of an order takes long. The order is cut when another holder could send the leaf
// faster.
type slow struct{ o *order }

func (e slow) apply(c *coordinator) {
	e.o.refresh()
	r, now := e.o.run, time.Now()
	if r.From < r.To && c.roster.Faster(now, r.Holder, r.From, r.Rate(now)) {
		e.o.cut(errSlow)
	}
}

// answered: a member has said which part of the blob it has.
type answered struct {
	id   peer.ID
	some *wire.Part // nil: the whole blob
}

func (e answered) apply(c *coordinator) {
	if !c.j.f.Holders.Blames(e.id, c.j.ref.CID) {
		c.roster.Add(e.id, (*schedule.Part)(e.some))
		c.judge(e.id)
		c.unsaid = true
	}
}

// asked: these members were asked for the blob. When answers is true, each of them has answered or
// run out of time, and silent says that some ran out of time or failed.
type asked struct {
	ids             []peer.ID
	answers, silent bool
}

func (e asked) apply(c *coordinator) { c.search.asked(c, e) }

// heard: a registry in mid-transfer has said which leaves it has by now, or failed to say so.
type heard struct {
	id   peer.ID
	have bitset.Set
	err  error
}

func (e heard) apply(c *coordinator) {
	if e.err != nil {
		c.j.log().WithError(e.err).WithField("peer", e.id).Debug("a registry that is also fetching the blob does not say which leaves it has")
	}
	c.roster.Heard(time.Now(), e.id, outcomeOf(e.err), e.have, dag.LeavesOf(c.j.ref.Size))
	c.unsaid = true
}

// polled: all registries that were polled have answered or failed to.
type polled struct{}

func (polled) apply(c *coordinator) { c.polls.done(c) }

// Meet notes that a member is fetching the blob, too.
func (j *Job) Meet(id peer.ID) {
	if id != "" && !j.f.Holders.Blames(id, j.ref.CID) && slices.Contains(j.f.Holders.Connected(), id) {
		j.send(met{id})
	}
}

// met: a member has said that it is fetching the blob, too.
type met struct{ id peer.ID }

func (e met) apply(c *coordinator) {
	c.roster.Meet(e.id)
	c.judge(e.id)
	c.unsaid = true
}

// Place is where a reader is in a blob that is being fetched. It is for one goroutine.
type Place struct {
	j  *Job
	at *schedule.Reader
}

// Read adds a reader that is at a leaf, until Place.Leave.
func (j *Job) Read(leaf int) *Place {
	p := &Place{j, schedule.NewReader(leaf)}
	j.send(entered{p.at})
	return p
}

// Move says which leaf the reader is at, and since when it has been waiting for that leaf; a zero
// time means that it is not waiting.
func (p *Place) Move(leaf int, since time.Time) { p.j.send(moved{p.at, leaf, since}) }

// Leave says that the reader has gone.
func (p *Place) Leave() { p.j.send(left{p.at}) }

// entered: a reader came.
type entered struct{ reader *schedule.Reader }

func (e entered) apply(c *coordinator) { c.plan.Enter(e.reader) }

// moved: a reader is at another leaf, or waits for the one where it is.
type moved struct {
	reader *schedule.Reader
	leaf   int
	since  time.Time // zero: it does not wait
}

func (e moved) apply(c *coordinator) { c.plan.Move(e.reader, e.leaf, e.since) }

// left: a reader has gone.
type left struct{ reader *schedule.Reader }

func (e left) apply(c *coordinator) { c.plan.Leave(e.reader) }

// looked: somebody wants to know where bytes are coming from.
type looked struct{ answer chan<- Flows } // has room for one answer

// Flows says where the bytes of a blob are coming from.
type Flows struct {
	Rates   map[peer.ID]float64 // bytes per second, of all requests under way
	Bitswap bool                // bitswap has brought something
}

func (e looked) apply(c *coordinator) {
	f, now := Flows{map[peer.ID]float64{}, c.swap.works}, time.Now()
	for r, o := range c.orders {
		o.refresh()
		f.Rates[r.Holder] += r.Rate(now)
	}
	e.answer <- f
}

// Flows asks the coordinator where bytes are coming from.
func (j *Job) Flows() (f Flows) {
	answer := make(chan Flows, 1)
	if !j.send(looked{answer}) {
		return f
	}
	select {
	case f = <-answer:
	case <-j.end.stopped:
	}
	return f
}
