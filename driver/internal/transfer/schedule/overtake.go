package schedule

import "time"

// late chooses another holder for a leaf that a reader waits for and that comes too slowly.
func (v *view) late(leaf int) *choice {
	for _, r := range v.runs {
		if r.From <= leaf && leaf < r.To && !r.twice && !r.hangs {
			return v.overtake(r, leaf, r.eta(leaf, v.now))
		}
	}
	return nil
}

// overtaking chooses, when nothing else is left to do, leaves that come so slowly that another
// holder can bring them much earlier: the second half of a run, or its only leaf, which is then
// fetched twice.
func (v *view) overtaking() (best *choice) {
	late := time.Duration(0)
	for _, r := range v.runs {
		eta := r.eta(r.To-1, v.now)
		if r.twice || r.hangs || r.From >= r.To || eta <= late {
			continue
		}
		if c := v.overtake(r, r.From+(r.To-r.From)/2, eta); c != nil {
			best, late = c, eta
		}
	}
	return best
}

// overtake moves the rest of a run, from leaf on, to a holder that can bring it long before eta.
// It returns nil when there is no such holder.
func (v *view) overtake(r *Run, leaf int, eta time.Duration) *choice {
	for _, o := range v.offers {
		patience := 3*leafTime(o.rate, v.usual()) + v.grace
		if o.spared {
			patience += 4 * v.yield
		}
		if o.id == r.Holder || !o.free || !o.has(leaf) || eta < patience {
			continue
		}
		to := leaf + 1
		for to < r.To && to-leaf < o.leaves() && o.has(to) {
			to++
		}
		return &choice{of: o, from: leaf, to: to, over: r}
	}
	return nil
}

// usual returns how long a leaf takes from an average holder, of those whose rate is known.
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
