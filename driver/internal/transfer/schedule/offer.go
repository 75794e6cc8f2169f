package schedule

import (
	"cmp"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/bitset"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
)

// maxOffers is how many holders of the whole blob are considered for a choice, and also how many
// holders of a part of it.
const maxOffers = 16

// offer is the state of a holder when a run is chosen.
type offer struct {
	id    peer.ID
	whole bool
	// spared means that it had the whole blob before other registries began to fetch it: it is
	// asked only for leaves that they lack.
	spared   bool
	some     bitset.Set
	busy     int
	free     bool // it has fewer streams than it may have
	failures int
	rate     float64
	slow     bool // it is much slower than the fastest
	standing Standing
	proves   bool // it has still to show that it brings anything
}

func (o *offer) has(leaf int) bool { return o.whole || o.some.Has(leaf) }

// leaves returns how many leaves to ask it for at once.
func (o *offer) leaves() int {
	if o.rate == 0 {
		return firstRun
	}
	return min(max(int(o.rate*runTime.Seconds()/dag.LeafSize), 1), MaxRun)
}

// leafTime returns how long a leaf takes at a rate; usual when the rate is not known.
func leafTime(rate float64, usual time.Duration) time.Duration {
	if rate == 0 {
		return usual
	}
	return time.Duration(dag.LeafSize / rate * float64(time.Second))
}

// survey is what a roster contributes to a choice.
type survey struct {
	offers []*offer   // whom to ask, best first
	spread bitset.Set // the leaves of registries that have a part of the blob and can be asked
	others int        // registries that fetch the blob; one whose copy is damaged does not
	who    uint64     // stands for these: the sum of their hashes
}

// survey looks at each holder only once, since there may be a thousand, and makes offers of few.
func (r *Roster) survey(now time.Time, leaves int) *survey {
	s := &survey{spread: bitset.New(leaves)}
	fastest, usable, sound := 0.0, 0, r.sound(now)
	for _, h := range r.all {
		if h.fetches(now) {
			s.others++
			s.who += h.hash
		}
		if h.usable(now) && (!sound || !h.standing.Sunk) {
			usable++
			fastest = max(fastest, h.rate)
			if !h.whole && !h.idles() {
				s.spread.Merge(h.some)
			}
		}
	}
	each := 1 // streams; more where there are few holders
	if usable > 0 {
		each = (streams + usable - 1) / usable
	}
	for _, h := range r.few(now, sound) {
		s.offers = append(s.offers, &offer{
			id: h.id, whole: h.whole, some: h.some, busy: h.busy, failures: h.failures, rate: h.rate,
			free: h.busy < each, slow: h.rate > 0 && h.rate < fastest/4, spared: h.whole && !h.fed && s.others > 0,
			standing: h.standing, proves: h.proves(),
		})
	}
	return s
}

// fetches reports whether a member is fetching the blob, and does not rest after a failure.
func (h *holder) fetches(now time.Time) bool {
	return !h.whole && !h.damaged && !h.rests(now) && !h.hangs && !h.idles()
}

// others returns the registries that fetch the blob as well.
func (r *Roster) others(now time.Time) (ids []peer.ID) {
	for _, h := range r.all {
		if h.fetches(now) {
			ids = append(ids, h.id)
		}
	}
	return ids
}

// few returns only the best holders, so that a choice does not take longer when there are more. Of
// holders that are alike, those that have the whole blob come first.
func (r *Roster) few(now time.Time, sound bool) []*holder {
	var whole, some []*holder
	for h := range r.drawn {
		switch {
		case !h.usable(now), sound && h.standing.Sunk:
		case h.whole:
			whole = keep(whole, maxOffers, h, (*holder).compare)
		default:
			some = keep(some, maxOffers, h, (*holder).compare)
		}
	}
	best := slices.Concat(whole, some)
	slices.SortStableFunc(best, (*holder).compare)
	return best
}

// keep puts a holder among the best ones seen so far, and keeps no more than most of them. Of
// holders that are alike, it keeps those that came first.
func keep(best []*holder, most int, h *holder, before func(a, b *holder) int) []*holder {
	i := len(best)
	for i > 0 && before(h, best[i-1]) < 0 {
		i--
	}
	if i == most {
		return best
	}
	return slices.Insert(best[:min(len(best), most-1)], i, h)
}

// compare puts holders of a better standing first, then those with fewer failures, and among these
// those with fewer streams in use.
func (h *holder) compare(than *holder) int {
	return cmp.Or(h.standing.compare(than.standing), cmp.Compare(h.failures, than.failures), cmp.Compare(h.busy, than.busy))
}

// pickBefore is compare, and puts those first that have brought something before.
func (h *holder) pickBefore(than *holder) int {
	return cmp.Or(h.standing.compare(than.standing), order(h.proves(), than.proves()), h.compare(than))
}

// compare puts members first that are not sunk, and then those that are trusted.
func (s Standing) compare(than Standing) int {
	return cmp.Or(order(s.Sunk, than.Sunk), order(s.Untrusted, than.Untrusted))
}

// order puts first what is not so.
func order(is, than bool) int {
	switch {
	case is == than:
		return 0
	case is:
		return 1
	}
	return -1
}

// urgentBefore reports whether to prefer it to another for a leaf that a reader waits for.
func (o *offer) urgentBefore(than *offer) bool {
	return cmp.Or(o.standing.compare(than.standing), cmp.Compare(o.failures, than.failures), order(o.spared, than.spared),
		order(o.proves, than.proves), cmp.Compare(o.busy, than.busy)) < 0
}
