package blob

import (
	"sync"

	"github.com/ipfs/go-cid"
)

// hidden is the set of blobs that have their file in blobs and do not count as here yet,
// because a crash might still take it.
type hidden struct {
	mu sync.Mutex
	of map[cid.Cid]int
}

// add hides a blob until show.
func (h *hidden) add(c cid.Cid) (show func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.of == nil {
		h.of = map[cid.Cid]int{}
	}
	h.of[c]++
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.of[c]--; h.of[c] == 0 {
			delete(h.of, c)
		}
	}
}

func (h *hidden) has(c cid.Cid) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.of[c] > 0
}
