package fetch

import (
	"context"
	"errors"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/bitset"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/story"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/wire"
)

// record is what the coordinator notes of a transfer, to be told later. It is noted from what
// happens anyway: at each event, at the beginning and the end of each order, and for each leaf.
type record struct {
	*story.Draft
	came  bitset.Set // leaves that have come, from wherever; nil: none has
	short bool       // a worker was wanted, and no place was free
}

func newRecord(j *Job) record {
	d := story.NewDraft(j.ref.CID, j.ref.Size, j.meter.born)
	d.Spend(story.Room, j.why.Room)
	return record{Draft: d}
}

// leaf notes that a leaf is here. One that comes twice counts once.
func (r *record) leaf(c *coordinator, e landed) {
	leaves := dag.LeavesOf(c.j.ref.Size)
	if r.came == nil {
		r.came = bitset.New(leaves)
	}
	if r.came.Has(e.leaf) {
		return
	}
	r.came.Add(e.leaf)
	_, length := spanOf(c.j.ref, e.leaf)
	switch {
	case e.of != nil:
		r.Leaf(e.of.holder, length)
	case c.swap.under && c.swap.leaf == e.leaf:
		r.Swapped(time.Now(), length)
	default:
		r.Copied(length)
	}
}

// rest notes the leaves of which the coordinator was told no more, because with others the blob was
// whole. Nothing else is under way by now.
func (r *record) rest(c *coordinator) {
	for {
		select {
		case e := <-c.j.events:
			if l, ok := e.(landed); ok {
				r.leaf(c, l)
			}
			continue
		default:
		}
		break
	}
	for _, l := range c.j.end.late {
		r.leaf(c, l)
	}
}

// phase is what the transfer waits for now.
func (c *coordinator) phase(now time.Time) story.Phase {
	held := c.j.meter.held.Load() > 0
	switch {
	case held && c.j.paced():
		return story.Pace
	case held:
		return story.Reader
	case c.hashing:
		return story.Disk
	case len(c.orders) > 0 && !c.flowed():
		return story.FirstByte
	case c.flows(now), c.swap.under && c.swap.works:
		return story.Flow
	case c.record.short:
		return story.Workers
	case len(c.orders) > 0:
		return story.Mute
	case c.roster.Empty(c.absent()):
		return story.Holders
	case c.j.layout() == nil, !c.flowed():
		return story.FirstByte // or for the inner blocks, without which no leaf can be verified
	}
	return story.Feed
}

// flowed reports whether any byte of a leaf has come.
func (c *coordinator) flowed() bool { return c.j.meter.flowed.Load() > 0 }

// flows reports whether bytes come for one of the orders at least, or may soon.
func (c *coordinator) flows(now time.Time) bool {
	for _, o := range c.orders {
		if _, silent := o.silent(c, now); !silent {
			return true
		}
	}
	return false
}

// silent reports whether nothing has come for an order for so long that its holder counts as mute, and
// since when. A worker that is at work on what has come waits for nobody.
func (o *order) silent(c *coordinator, now time.Time) (since time.Time, silent bool) {
	waits := o.flow.waits.Load()
	since = o.began.Add(time.Duration(max(waits, o.flow.last.Load())))
	return since, waits >= 0 && now.Sub(since) >= c.j.f.Timing.Hedge
}

// listen notes how long orders have been mute. A time without a byte counts as a whole once it is as
// long as another holder is given to send the same.
func (c *coordinator) listen(now time.Time) {
	for _, o := range c.orders {
		o.listen(c, now)
	}
}

func (o *order) listen(c *coordinator, now time.Time) {
	since, silent := o.silent(c, now)
	if !silent {
		return
	}
	if o.heard.After(since) {
		since = o.heard
	}
	o.mute, o.heard = o.mute+now.Sub(since), now
}

// went is how an order has gone so far, or altogether.
func (o *order) went(now time.Time) story.How {
	how := story.How{Road: roads[wire.Road(o.flow.road.Load())], Got: o.flow.got.Load(), Mute: o.mute, Took: now.Sub(o.began)}
	how.Failed = errors.Is(context.Cause(o.ctx), errMute) // which nobody may be left to hear from its worker
	if first := o.flow.first.Load(); first > 0 {
		how.First = o.began.Add(time.Duration(first))
	}
	return how
}

// roads are the names of the ways to a member.
var roads = map[wire.Road]story.Road{wire.ByData: story.RoadData, wire.ByStream: story.RoadStream}

// done notes how an order went, when it is over.
func (r *record) done(c *coordinator, o *order, err error) {
	now := time.Now()
	o.listen(c, now)
	how := o.went(now)
	how.Failed, how.Wrong = how.Failed || c.failed(err), errors.Is(err, wire.ErrLied)
	r.Done(o.holder, now, how)
}

// failed reports whether an order or a question ended so that somebody has to be asked again. One
// that was overtaken when it had begun to bring something was merely slower.
func (c *coordinator) failed(err error) bool {
	relayed := new(wire.RelayedError)
	return err != nil && c.j.ctx.Err() == nil && !errors.Is(err, errOvertaken) && !errors.As(err, &relayed)
}

// asked notes how a question for an inner block went.
func (r *record) asked(c *coordinator, e returned) {
	how := story.How{Failed: c.failed(e.err), Wrong: errors.Is(e.err, wire.ErrLied)}
	if errors.Is(e.err, errMute) || errors.Is(e.err, wire.ErrSilent) {
		how.Mute = e.took
	}
	r.Question(e.id, how)
}

// told is the story so far.
func (c *coordinator) told(now time.Time) story.Story {
	var under []story.Open
	for _, o := range c.orders {
		o.listen(c, now)
		under = append(under, story.Open{Peer: o.holder, How: o.went(now)})
	}
	if p := c.j.partial(); p != nil {
		c.record.Work(p.Spent())
	}
	return c.record.Told(now, under...)
}

// Story is what is told of the job; the zero Story when it has ended.
func (j *Job) Story() (s story.Story) {
	answer := make(chan story.Story, 1)
	if !j.send(tell{answer}) {
		return s
	}
	select {
	case s = <-answer:
	case <-j.end.stopped:
	}
	return s
}

// tell: somebody wants to know the story so far.
type tell struct{ answer chan<- story.Story } // has room for one answer

func (e tell) apply(c *coordinator) { e.answer <- c.told(time.Now()) }
