package transfer

import (
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/bitset"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/wire"
)

// view is everything on which the choice of a run is based.
type view struct {
	grace  time.Duration
	now    time.Time
	leaves int
	absent bitset.Set // missing, and not claimed
	lent   int        // leaves that are on their way
	claims []*run
	wants  []want
	start  int // where to begin when there is no reader
	first  bool
	offers []*offer
	others []peer.ID
	spread bitset.Set // what registries in mid-transfer have
	rank   func(leaf int) int
	idle   time.Duration // since no leaf is left for which we are first in line
	yield  time.Duration // how long each in line before us has for a leaf
}

// choice is a run for a worker.
type choice struct {
	id       peer.ID
	from, to int
	over     *run // whose end it takes, or whose only leaf it fetches too
	terms    wire.Terms
}

// next claims a run. Nil and whole: all leaves are here. Nil and not whole: there is
// nothing to do now. A worker for urgent leaves fetches only leaves that a reader waits
// for.
func (j *job) next(urgent bool) (r *run, whole bool) {
	p := j.plan
	p.choosing.Lock()
	defer p.choosing.Unlock()
	if bitset.Set(p.partial.Absent()).Count() == 0 {
		if _, missing := j.missing(); !missing {
			return nil, true
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	v := j.view()
	c := v.urgent()
	if c == nil && !urgent {
		c = v.steady()
	}
	if c == nil && !urgent {
		c = v.overtaking()
	}
	if c == nil {
		return nil, false
	}
	r = &run{first: c.from, from: c.from, to: c.to, id: c.id, began: v.now, terms: c.terms}
	switch o := c.over; {
	case o == nil:
	case o.from == c.from:
		o.twice, r.twice, r.to = true, true, r.from+1
	default:
		o.to = c.from
	}
	p.claims = append(p.claims, r)
	j.roster.take(c.id)
	return r, false
}

// view gathers the present state; choosing and mu of the plan are held.
func (j *job) view() *view {
	p := j.plan
	v := &view{
		grace: j.t.timing.grace, now: time.Now(), leaves: p.layout.Leaves(),
		absent: p.partial.Absent(), claims: p.claims, first: !j.begun(),
	}
	for i := range v.absent {
		v.absent[i] &^= p.unseen[i]
	}
	for _, r := range p.claims {
		v.lent += r.to - r.from
		for i := r.from; i < r.to; i++ {
			v.absent.Drop(i)
		}
	}
	for _, w := range p.wants {
		v.wants = append(v.wants, *w)
	}
	v.offers, v.others = j.roster.offers()
	v.spread = bitset.New(v.leaves)
	for _, o := range v.offers {
		if !o.whole {
			v.spread.Merge(o.some)
		}
	}
	v.offers = few(v.offers)
	j.line.among(v.others)
	v.rank = j.line.rank
	v.start = j.line.start()
	if _, own := v.nearest(v.own); own || len(v.others) == 0 {
		j.unowned = v.now
	}
	v.idle = v.now.Sub(j.unowned)
	v.yield = j.t.timing.yield
	for _, o := range v.offers {
		if o.spared && o.rate > 0 {
			v.yield = max(v.yield, 2*leafTime(o.rate, 0))
		}
	}
	return v
}

// own chooses leaves for which this registry is first in line.
func (v *view) own(leaf int) bool { return !v.spread.Has(leaf) && v.rank(leaf) == 0 }

// urgent chooses a leaf that a reader waits for and that is not being fetched. When all
// registries read from the start at once, one of them asks a member that has the whole
// blob, and the others get the leaf from that one; a registry that is later in line waits a
// little longer before it asks itself. The very first leaf of each registry does not wait
// for the others.
func (v *view) urgent() *choice {
	for _, w := range v.wants {
		if w.since.IsZero() {
			continue
		}
		if !v.absent.Has(w.leaf) {
			if c := v.late(w.leaf); c != nil {
				return c
			}
			continue
		}
		var best *offer
		for _, o := range v.offers {
			if !o.has(w.leaf) || o.spared && !v.first && !v.turn(w) {
				continue
			}
			if best == nil || o.urgentBefore(best) {
				best = o
			}
		}
		if best != nil {
			return &choice{id: best.id, from: w.leaf, to: v.extend(w.leaf, best, 2), terms: best.terms()}
		}
	}
	return nil
}

// late chooses a leaf that a reader waits for, and that comes too slowly.
func (v *view) late(leaf int) *choice {
	for _, r := range v.claims {
		if r.from <= leaf && leaf < r.to && !r.twice {
			return v.overtake(r, leaf, r.eta(leaf, v.now))
		}
	}
	return nil
}

// turn reports whether a leaf that a reader waits for may be fetched from a spared member.
func (v *view) turn(w want) bool {
	return v.now.Sub(w.since) >= time.Duration(v.rank(w.leaf))*v.yield
}

func (o *offer) urgentBefore(than *offer) bool {
	switch {
	case o.slow != than.slow:
		return !o.slow
	case o.failures != than.failures:
		return o.failures < than.failures
	case o.free != than.free:
		return o.free
	case o.spared != than.spared:
		return !o.spared
	}
	return o.busy < than.busy
}

// steady chooses a run from the best holder that has missing leaves: those that a reader
// comes to first, but from a slow holder those that it comes to last.
func (v *view) steady() *choice {
	room := maxAhead - v.lent
	if room <= 0 {
		return nil
	}
	for _, o := range v.offers {
		if !o.free {
			continue
		}
		if from, ok := v.pick(o); ok {
			return &choice{id: o.id, from: from, to: v.extend(from, o, min(v.most(o), room)), terms: o.terms()}
		}
	}
	return nil
}

// most is how many leaves to ask of a holder at once.
func (v *view) most(o *offer) int {
	if o.rate == 0 && len(v.others) > 0 {
		return 1 // its link is shared with the others
	}
	return o.leaves()
}

func (v *view) pick(o *offer) (leaf int, ok bool) {
	if o.spared {
		return v.pickSpared()
	}
	if o.slow {
		return v.farthest(o.has)
	}
	if len(v.others) > 0 {
		return v.rarest(o)
	}
	return v.nearest(o.has)
}

// rarest chooses, among the leaves that registries in mid-transfer have, those that the
// fewest have, and first those for which we are early in line. So not all registries ask
// for the same leaves, and they can pass them on to each other.
func (v *view) rarest(o *offer) (leaf int, ok bool) {
	least := 0
	place := v.places()[0]
	for d := range v.leaves {
		i := (place + d) % v.leaves
		if !v.absent.Has(i) || !o.has(i) {
			continue
		}
		have := 0
		for _, other := range v.offers {
			if !other.whole && other.some.Has(i) {
				have++
			}
		}
		if key := have*len(v.others) + v.rank(i); !ok || key < least {
			leaf, least, ok = i, key, true
		}
	}
	return leaf, ok
}

// pickSpared chooses leaves that only spared members have: first those for which we are
// first in line; then, from the far end, those that the others should have fetched by now;
// and at last those that remain because the others do not bring them here.
func (v *view) pickSpared() (leaf int, ok bool) {
	if leaf, ok := v.nearest(v.own); ok {
		return leaf, true
	}
	leaf, ok = v.farthest(func(i int) bool {
		return !v.spread.Has(i) && time.Duration(v.rank(i))*v.yield <= v.idle
	})
	if ok || v.idle < 4*v.yield {
		return leaf, ok
	}
	return v.farthest(v.spread.Has)
}

// extend returns where a run ends that begins at from.
func (v *view) extend(from int, o *offer, most int) (to int) {
	to = from + 1
	for to < v.leaves && to-from < most && v.absent.Has(to) && o.has(to) && (!o.spared || v.own(to)) {
		to++
	}
	return to
}

// nearest is the first such leaf that is missing, counted from where readers are.
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

// farthest is the last such leaf before where a reader is.
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
	if len(v.wants) == 0 {
		return []int{v.start}
	}
	var places []int
	for _, w := range v.wants {
		places = append(places, w.leaf)
	}
	return places
}

// overtaking chooses, when nothing else is left to do, leaves that come so slowly that
// another holder can bring them much earlier: the second half of a run, or a leaf that is
// then fetched twice.
func (v *view) overtaking() (best *choice) {
	late := time.Duration(0)
	for _, r := range v.claims {
		eta := r.eta(r.to-1, v.now)
		if r.twice || r.from >= r.to || eta <= late {
			continue
		}
		if c := v.overtake(r, r.from+(r.to-r.from)/2, eta); c != nil {
			best, late = c, eta
		}
	}
	return best
}

// overtake moves a run, from leaf on, to a holder that can bring it long before eta.
func (v *view) overtake(r *run, leaf int, eta time.Duration) *choice {
	for _, o := range v.offers {
		patience := 3*leafTime(o.rate, v.usual()) + v.grace
		if o.spared {
			patience += 4 * v.yield
		}
		if o.id == r.id || !o.free || !o.has(leaf) || eta < patience {
			continue
		}
		to := leaf + 1
		for to < r.to && to-leaf < o.leaves() && o.has(to) {
			to++
		}
		return &choice{id: o.id, from: leaf, to: to, over: r, terms: o.terms()}
	}
	return nil
}

// usual is how long a leaf takes from the holders whose timing is known.
func (v *view) usual() time.Duration {
	sum, n := 0.0, 0
	for _, o := range v.offers {
		if o.rate > 0 {
			sum, n = sum+o.rate, n+1
		}
	}
	if n == 0 {
		return v.grace
	}
	return leafTime(sum/float64(n), 0)
}
