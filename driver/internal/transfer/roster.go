package transfer

import (
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/bitset"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/wire"
)

// anyLeaf stands for the inner blocks, which every holder has.
const anyLeaf = -1

// roster is the holders of the blob of one transfer.
type roster struct {
	timing timing
	mu     sync.Mutex
	by     map[peer.ID]*holder
}

type holder struct {
	whole    bool
	guessed  bool       // it did not say that its copy is whole
	fed      bool       // it fetched the blob at the same time as this registry
	some     bitset.Set // when not whole
	damaged  bool       // when not whole: it is not fetching the rest
	busy     int        // streams in use
	failures int        // since it last delivered
	until    time.Time
	rate     float64 // bytes a second of one stream; 0: unknown
}

func newRoster(p timing) *roster { return &roster{timing: p, by: map[peer.ID]*holder{}} }

func (h *holder) has(leaf int) bool {
	return h.whole || leaf == anyLeaf && h.some.Count() > 0 || h.some.Has(leaf)
}

func (h *holder) rests() bool { return time.Now().Before(h.until) }

// usable reports whether the holder can be asked for something now.
func (h *holder) usable() bool { return !h.rests() && h.has(anyLeaf) }

// add notes what a member has just said it has: the whole blob when some is nil; it need not
// rest any more. A member that has only some of it is fetching it, unless its copy is
// damaged.
func (r *roster) add(id peer.ID, some *wire.Part) {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.holder(id)
	h.whole, h.some, h.damaged = some == nil, nil, false
	h.until, h.guessed = time.Time{}, false
	if some != nil {
		h.some, h.damaged = some.Leaves, some.Damaged
		h.fed = h.fed || !h.damaged
	}
}

// holder is the entry of a member, a new one perhaps; mu is held.
func (r *roster) holder(id peer.ID) *holder {
	h := r.by[id]
	if h == nil {
		h = &holder{}
		r.by[id] = h
	}
	return h
}

// meet notes a member that says it is fetching the blob, too.
func (r *roster) meet(id peer.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if h := r.holder(id); !h.whole || h.guessed {
		h.whole, h.guessed, h.damaged, h.fed = false, false, false, true
	}
}

// guess treats a member as a holder until it answers.
func (r *roster) guess(id peer.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.by[id] == nil {
		r.by[id] = &holder{whole: true, guessed: true}
	}
}

// pick takes the holder of a leaf with the fewest streams in use, but none of those
// named. Give it back with done.
func (r *roster) pick(leaf int, but ...peer.ID) (id peer.ID, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var best *holder
	for other, h := range r.by {
		if h.rests() || !h.has(leaf) || slices.Contains(but, other) {
			continue
		}
		if best == nil || h.better(best) {
			id, best = other, h
		}
	}
	if best == nil {
		return "", false
	}
	best.busy++
	return id, true
}

// take is pick for a holder that was offered.
func (r *roster) take(id peer.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if h := r.by[id]; h != nil {
		h.busy++
	}
}

func (h *holder) better(than *holder) bool {
	if h.failures != than.failures {
		return h.failures < than.failures
	}
	return h.busy < than.busy
}

// free gives back a holder that was not used.
func (r *roster) free(id peer.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if h := r.by[id]; h != nil {
		h.busy = max(0, h.busy-1)
	}
}

// failed reports whether a member failed when it was last asked.
func (r *roster) failed(id peer.ID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.by[id]
	return h != nil && h.failures > 0
}

// holds reports whether a member has the whole blob.
func (r *roster) holds(id peer.ID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.by[id]
	return h != nil && h.whole
}

// done gives a holder back. One that failed rests, longer each time; one that no
// longer has the blob, or lied, is dropped.
func (r *roster) done(id peer.ID, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.by[id]
	if h == nil {
		return
	}
	h.busy = max(0, h.busy-1)
	switch {
	case err == nil:
		h.failures = 0
	case errors.Is(err, wire.ErrGone) && !h.whole:
		h.some = nil // until it says again what it has
	case errors.Is(err, wire.ErrGone), errors.Is(err, wire.ErrLied):
		delete(r.by, id)
	default:
		h.fail(r.timing)
	}
}

func (h *holder) fail(p timing) {
	h.failures++
	h.until = time.Now().Add(min(p.retry<<min(h.failures-1, 8), p.backoff))
}

// measured notes what one stream of a holder carried.
func (r *roster) measured(id peer.ID, bytes int64, took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.by[id]
	if h == nil || took <= 0 || bytes < dag.LeafSize/4 {
		return
	}
	rate := float64(bytes) / took.Seconds()
	if h.rate > 0 {
		rate = (rate + h.rate) / 2
	}
	h.rate = rate
}

// heard notes the answer of a registry in mid-transfer that was asked what it has.
func (r *roster) heard(id peer.ID, leaves int, have bitset.Set, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.by[id]
	if h == nil {
		return
	}
	switch {
	case errors.Is(err, wire.ErrGone), errors.Is(err, wire.ErrLied):
		delete(r.by, id)
	case err != nil:
		h.fail(r.timing)
	default:
		h.some, h.whole = have, have.Count() == leaves
		h.damaged = h.damaged && !h.whole
	}
}

// fetchers returns at most `most` registries in mid-transfer, in any order.
func (r *roster) fetchers(most int) (ids []peer.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, h := range r.by {
		if !h.whole && !h.rests() {
			ids = append(ids, id)
		}
	}
	rand.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	return ids[:min(most, len(ids))]
}

// streams is how many to use: some, or one a holder.
func (r *roster) streams() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, h := range r.by {
		if h.usable() {
			n++
		}
	}
	return min(max(n, streams), maxStreams)
}

// enough reports whether a member that has the whole blob can be asked now.
func (r *roster) enough() bool {
	return r.any(func(h *holder) bool { return h.whole && !h.guessed && !h.rests() })
}

// empty reports whether no member is known that has any of the blob, or had some when it
// was last reached. A damaged copy counts only when it has one of the absent leaves, which
// are nil when they are not known yet.
func (r *roster) empty(absent bitset.Set) bool {
	return !r.any(func(h *holder) bool {
		return h.has(anyLeaf) && !h.guessed && (!h.damaged || absent == nil || h.some.Meets(absent))
	})
}

// damaged reports whether a member has only what is right of a damaged copy.
func (r *roster) damaged(id peer.ID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.by[id]
	return h != nil && h.damaged
}

// torn reports whether only damaged copies are known, of which it is not sure that they
// make a whole one.
func (r *roster) torn() bool {
	return r.any(func(h *holder) bool { return h.damaged }) &&
		!r.any(func(h *holder) bool { return !h.damaged && h.has(anyLeaf) })
}

// faster reports whether another holder that could be asked for a leaf now sends twice as
// many bytes a second, or, if the leaf would take longer than the whole transfer may stall,
// is of unknown speed.
func (r *roster) faster(than peer.ID, leaf int, rate float64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	hopeless := rate*r.timing.stall.Seconds() < dag.LeafSize
	for id, h := range r.by {
		if id == than || h.rests() || !h.has(leaf) {
			continue
		}
		if h.rate > 2*rate || h.rate == 0 && hopeless {
			return true
		}
	}
	return false
}

func (r *roster) any(is func(*holder) bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, h := range r.by {
		if is(h) {
			return true
		}
	}
	return false
}
