package schedule

import "time"

// urgent chooses a leaf that a reader waits for and that is not being fetched, or comes too slowly.
// When all registries read from the start at once, one of them asks a member that has the whole
// blob, and the others get the leaf from that one. The later in line a registry is, the longer it
// waits before it asks such a member itself. The very first leaf of each registry does not wait for
// the others.
func (v *view) urgent() *choice {
	for _, r := range v.read {
		if r.since.IsZero() {
			continue
		}
		if !v.absent.Has(r.leaf) {
			if c := v.late(r.leaf); c != nil {
				return c
			}
			continue
		}
		var best *offer
		for _, o := range v.offers {
			if !o.has(r.leaf) || o.spared && !v.first && !v.turn(r) {
				continue
			}
			if best == nil || o.urgentBefore(best) {
				best = o
			}
		}
		if best != nil {
			return &choice{of: best, from: r.leaf, to: v.extend(r.leaf, best, 2)}
		}
	}
	return nil
}

// turn reports whether a leaf that a reader waits for may be fetched from a spared member.
func (v *view) turn(r *Reader) bool {
	return v.now.Sub(r.since) >= time.Duration(v.rank(r.leaf))*v.yield
}

// steady chooses a run from the best holder that has missing leaves: the leaves that a reader
// comes to first, or, from a slow holder, those that the reader comes to last.
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
			return &choice{of: o, from: from, to: v.extend(from, o, min(v.most(o), room))}
		}
	}
	return nil
}

// most returns how many leaves to ask of a holder at once.
func (v *view) most(o *offer) int {
	if o.rate == 0 && v.others > 0 {
		return 1 // the others share its link
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
	if v.others > 0 {
		return v.rarest(o)
	}
	return v.nearest(o.has)
}

// rarest chooses, among the missing leaves that a holder has, one that the fewest registries in
// mid-transfer have, and of these one for which we are early in line. So registries do not all ask
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
		if key := have*v.others + v.rank(i); !ok || key < least {
			leaf, least, ok = i, key, true
		}
	}
	return leaf, ok
}

// pickSpared chooses a leaf to ask of a spared member: at first one for which we are first in line,
// then, from the far end, one that the others should have fetched by now. Leaves that the others
// have are left to them: a registry that does not send them is overtaken.
func (v *view) pickSpared() (leaf int, ok bool) {
	if leaf, ok := v.nearest(v.own); ok {
		return leaf, true
	}
	return v.farthest(func(i int) bool {
		return !v.spread.Has(i) && time.Duration(v.rank(i))*v.yield <= v.idle
	})
}
