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
	fastest, usable := 0.0, 0
	for _, h := range r.all {
		if h.fetches(now) {
			s.others++
			s.who += h.hash
		}
		if h.usable(now) {
			usable++
			fastest = max(fastest, h.rate)
			if !h.whole {
				s.spread.Merge(h.some)
			}
		}
	}
	each := 1 // streams; more where there are few holders
	if usable > 0 {
		each = (streams + usable - 1) / usable
	}
	for _, h := range r.few(now) {
		s.offers = append(s.offers, &offer{
			id: h.id, whole: h.whole, some: h.some, busy: h.busy, failures: h.failures, rate: h.rate,
			free: h.busy < each, slow: h.rate > 0 && h.rate < fastest/4, spared: h.whole && !h.fed && s.others > 0,
		})
	}
	return s
}

// fetches reports whether a member is fetching the blob, and does not rest after a failure.
func (h *holder) fetches(now time.Time) bool { return !h.whole && !h.damaged && !h.rests(now) }

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
func (r *Roster) few(now time.Time) []*holder {
	var whole, some []*holder
	for h := range r.drawn {
		switch {
		case !h.usable(now):
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

// compare puts holders with fewer failures first, and among these those with fewer streams in use.
func (h *holder) compare(than *holder) int {
	return cmp.Or(cmp.Compare(h.failures, than.failures), cmp.Compare(h.busy, than.busy))
}

// urgentBefore reports whether to prefer it to another for a leaf that a reader waits for.
func (o *offer) urgentBefore(than *offer) bool {
	switch {
	case o.failures != than.failures:
		return o.failures < than.failures
	case o.spared != than.spared:
		return !o.spared
	}
	return o.busy < than.busy
}
