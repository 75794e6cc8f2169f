package transfer

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/bitset"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/wire"
)

// offer is the state of a holder when a run is chosen.
type offer struct {
	id       peer.ID
	whole    bool
	spared   bool // it had the whole blob before others began to fetch: it is asked only for leaves that they lack
	some     bitset.Set
	busy     int
	free     bool // it has fewer streams than it may have
	failures int
	rate     float64
	slow     bool // much slower than the fastest
}

func (o *offer) has(leaf int) bool { return o.whole || o.some.Has(leaf) }

// terms are the conditions under which to ask it: a spared holder may name others.
func (o *offer) terms() wire.Terms {
	if o.spared {
		return wire.Terms{Relay: true}
	}
	return wire.Terms{}
}

// leaves is how many to ask for at once.
func (o *offer) leaves() int {
	if o.rate == 0 {
		return firstRun
	}
	return min(max(int(o.rate*runTime.Seconds()/dag.LeafSize), 1), maxRun)
}

// leafTime is how long a leaf takes from it; usual when that is not known.
func leafTime(rate float64, usual time.Duration) time.Duration {
	if rate == 0 {
		return usual
	}
	return time.Duration(dag.LeafSize / rate * float64(time.Second))
}

// offers returns the holders that can be asked now, best first, and the other registries
// that fetch the blob. One whose copy is damaged is not among these.
func (r *roster) offers() (offers []*offer, others []peer.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fastest := 0.0
	for id, h := range r.by {
		if !h.whole && !h.damaged && !h.rests() {
			others = append(others, id)
		}
		if h.usable() {
			fastest = max(fastest, h.rate)
			offers = append(offers, &offer{
				id: id, whole: h.whole, some: h.some, busy: h.busy, failures: h.failures, rate: h.rate,
			})
		}
	}
	each := 1 // streams; more where there are few holders
	if n := len(offers); n > 0 {
		each = (streams + n - 1) / n
	}
	for _, o := range offers {
		o.free = o.busy < each
		o.slow = o.rate > 0 && o.rate < fastest/4
		o.spared = o.whole && !r.by[o.id].fed && len(others) > 0
	}
	rand.Shuffle(len(offers), func(i, j int) { offers[i], offers[j] = offers[j], offers[i] })
	slices.SortStableFunc(offers, func(a, b *offer) int { return a.compare(b) })
	return offers, others
}

// few keeps only the first of many offers, so that a choice does not take longer the more
// holders there are.
func few(offers []*offer) []*offer {
	whole, some := 0, 0
	return slices.DeleteFunc(offers, func(o *offer) bool {
		n := &some
		if o.whole {
			n = &whole
		}
		*n++
		return *n > maxOffers
	})
}

// compare puts holders that failed last, and among the others spared ones first: all
// registries wait for leaves that only these have.
func (o *offer) compare(than *offer) int {
	spared := 0
	switch {
	case o.spared && !than.spared:
		spared = -1
	case than.spared && !o.spared:
		spared = 1
	}
	return cmp.Or(cmp.Compare(o.failures, than.failures), spared, cmp.Compare(o.busy, than.busy))
}
