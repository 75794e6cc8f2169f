package blob

import (
	"sync"

	"github.com/ipfs/go-cid"
)

// hidden is the set of blobs that have their file in blobs and do not count as here yet,
// because a crash might still take it.
type hidden struct {
	mu   sync.Mutex
	next int
	of   map[cid.Cid]map[int]struct{} // by who hides it
}

// add hides a blob until show, or reveal.
func (h *hidden) add(c cid.Cid) (show func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.of == nil {
		h.of = map[cid.Cid]map[int]struct{}{}
	}
	if h.of[c] == nil {
		h.of[c] = map[int]struct{}{}
	}
	h.next++
	who := h.next
	h.of[c][who] = struct{}{}
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.of[c], who)
		if len(h.of[c]) == 0 {
			delete(h.of, c)
		}
	}
}

// reveal shows a blob, whoever hides it: it is safe on disk.
func (h *hidden) reveal(c cid.Cid) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.of, c)
}

func (h *hidden) has(c cid.Cid) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.of[c]) > 0
}
