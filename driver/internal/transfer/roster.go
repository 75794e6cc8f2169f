package transfer

import (
	"errors"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// anyLeaf stands for what every holder has: the inner blocks.
const anyLeaf = -1

// roster is who holds the blob of one transfer.
type roster struct {
	pace pace
	mu   sync.Mutex
	by   map[peer.ID]*holder
}

type holder struct {
	whole    bool
	some     leafSet // when not whole
	busy     int     // streams in use
	failures int     // since it last delivered
	until    time.Time
}

func newRoster(p pace) *roster { return &roster{pace: p, by: map[peer.ID]*holder{}} }

func (h *holder) has(leaf int) bool { return h.whole || leaf == anyLeaf || h.some.has(leaf) }

func (h *holder) rests() bool { return time.Now().Before(h.until) }

// add notes what a member said it has just now; it need not rest any more.
func (r *roster) add(id peer.ID, whole bool, some leafSet) {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.by[id]
	if h == nil {
		h = &holder{}
		r.by[id] = h
	}
	h.whole, h.some, h.until = whole, some, time.Time{}
}

// pick takes the holder of a leaf with the fewest streams in use; has says what
// else it holds. Give it back with done.
func (r *roster) pick(leaf int) (id peer.ID, has func(leaf int) bool, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var best *holder
	for other, h := range r.by {
		if h.rests() || !h.has(leaf) {
			continue
		}
		if best == nil || h.better(best) {
			id, best = other, h
		}
	}
	if best == nil {
		return "", nil, false
	}
	best.busy++
	snapshot := holder{whole: best.whole, some: best.some}
	return id, snapshot.has, true
}

func (h *holder) better(than *holder) bool {
	if h.failures != than.failures {
		return h.failures < than.failures
	}
	return h.busy < than.busy
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
	h.busy--
	switch {
	case err == nil:
		h.failures = 0
	case errors.Is(err, errGone), errors.Is(err, errLied):
		delete(r.by, id)
	default:
		h.failures++
		h.until = time.Now().Add(min(r.pace.retry<<min(h.failures-1, 8), r.pace.backoff))
	}
}

// enough says whether somebody who has it all can be asked now.
func (r *roster) enough() bool {
	return r.any(func(h *holder) bool { return h.whole && !h.rests() })
}

// empty says whether nobody is known who has, or had when last reached, any of it.
func (r *roster) empty() bool { return !r.any(func(*holder) bool { return true }) }

// another says whether somebody else could be asked for a leaf now.
func (r *roster) another(than peer.ID, leaf int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, h := range r.by {
		if id != than && h.has(leaf) && !h.rests() {
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
