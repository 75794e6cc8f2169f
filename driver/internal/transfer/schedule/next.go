package schedule

import (
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/bitset"
)

// maxAhead is how many leaves may have been requested without having arrived. Leaves that readers
// wait for come on top, two at a time. So no more than 64 MiB are on their way, however large the
// windows are.
const maxAhead = 60

// Now is the present, as far as a plan does not know it.
type Now struct {
	Time   time.Time
	Absent bitset.Set // the leaves that are not here; Next modifies the set
	Begun  bool       // a leaf has come since the transfer began
}

// view is everything on which the choice of a run is based.
type view struct {
	grace  time.Duration
	now    time.Time
	leaves int
	absent bitset.Set // missing, and not claimed
	lent   int        // leaves that are on their way
	runs   []*Run
	read   []*Reader
	start  int  // where to begin when there is no reader
	first  bool // no leaf has come yet
	offers []*offer
	others int                // registries that fetch the blob as well
	spread bitset.Set         // the leaves of registries that have a part of the blob
	rank   func(leaf int) int // how many of the others come before us in the line for a leaf
	idle   time.Duration      // for how long no leaf has been left for which we are first in line
	yield  time.Duration      // how long each registry before us in line has for a leaf
}

// choice is a run of leaves to fetch from a holder.
type choice struct {
	of       *offer
	from, to int
	over     *Run // the run that gives up its end, or whose next leaf is fetched twice
}

// Next chooses a run, claims it, and takes its holder. It returns nil when there is nothing to do
// now. With urgent, it considers only leaves that a reader waits for.
func (p *Plan) Next(now Now, r *Roster, urgent bool) *Run {
	v := p.view(now, r)
	c := v.urgent()
	if c == nil && !urgent {
		c = v.steady()
	}
	if c == nil && !urgent {
		c = v.overtaking()
	}
	if c == nil {
		return nil
	}
	n := &Run{
		First: c.from, From: c.from, To: c.to, Holder: c.of.id, Relayed: c.of.spared, Began: v.now, Last: v.now,
	}
	switch o := c.over; {
	case o == nil:
	case o.From == c.from:
		o.twice, n.twice, n.To = true, true, n.From+1
	default:
		o.To = c.from
	}
	p.Claim(n)
	r.Take(n.Holder)
	return n
}

// view gathers the present state.
func (p *Plan) view(now Now, r *Roster) *view {
	v := &view{
		grace: p.timing.Grace, now: now.Time, leaves: p.leaves, absent: now.Absent,
		runs: p.runs, read: p.readers, first: !now.Begun, yield: p.timing.Yield,
	}
	for i := range v.absent {
		v.absent[i] &^= p.unseen[i]
	}
	for _, r := range p.hangs(now, r) {
		v.lent += r.To - r.From
		for i := r.From; i < r.To; i++ {
			v.absent.Drop(i)
		}
	}
	s := r.survey(v.now, v.leaves)
	v.offers, v.others, v.spread = s.offers, s.others, s.spread
	p.order.among(s.who, func() []peer.ID { return r.others(v.now) })
	v.rank, v.start = p.order.rank, p.order.start()
	if p.lone(v, r) {
		v.spread, v.rank = bitset.New(v.leaves), func(int) int { return 0 }
	}
	if _, own := v.nearest(v.own); own || v.others == 0 || p.unowned.IsZero() {
		p.unowned = v.now
	}
	v.idle = v.now.Sub(p.unowned)
	for _, o := range v.offers {
		if o.spared && o.rate > 0 {
			v.yield = max(v.yield, 2*leafTime(o.rate, 0))
		}
	}
	return v
}

// own reports whether this registry is first in line for a leaf that nobody in mid-transfer has.
func (v *view) own(leaf int) bool { return !v.spread.Has(leaf) && v.rank(leaf) == 0 }

// extend returns the end of a run that begins at from, and has at most most leaves.
func (v *view) extend(from int, o *offer, most int) (to int) {
	to = from + 1
	for to < v.leaves && to-from < most && v.absent.Has(to) && o.has(to) && (!o.spared || v.own(to)) {
		to++
	}
	return to
}

// nearest returns, of the missing leaves for which is returns true, the one that a reader comes to
// first.
func (v *view) nearest(is func(int) bool) (leaf int, ok bool) {
	ahead := v.leaves
	for _, place := range v.places() {
		for d := range ahead {
			if i := (place + d) % v.leaves; v.absent.Has(i) && is(i) {
				leaf, ahead, ok = i, d, true
				break
			}
		}
	}
	return leaf, ok
}

// farthest returns, of the missing leaves for which is returns true, the one that a reader comes to
// last.
func (v *view) farthest(is func(int) bool) (leaf int, ok bool) {
	place := v.places()[0]
	for d := range v.leaves {
		if i := (place + v.leaves - 1 - d) % v.leaves; v.absent.Has(i) && is(i) {
			return i, true
		}
	}
	return 0, false
}

func (v *view) places() []int {
	if len(v.read) == 0 {
		return []int{v.start}
	}
	var places []int
	for _, r := range v.read {
		places = append(places, r.leaf)
	}
	return places
}
