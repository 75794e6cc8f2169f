package transfer

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
)

const (
	holdersFor = 2 * time.Second // an answer is remembered
	askTimeout = 2 * time.Second
	maxKnown   = 4096
)

// answer is who was asked for a blob and who has it.
type answer struct {
	asked, have []peer.ID
	at          time.Time
}

// holders remembers who holds what, briefly.
type holders struct {
	t     *Transfers
	mu    sync.Mutex
	known map[cid.Cid]answer
}

func (h *holders) ask(ctx context.Context, c cid.Cid) (answer, error) {
	h.mu.Lock()
	a, ok := h.known[c]
	h.mu.Unlock()
	if ok && time.Since(a.at) < holdersFor {
		return a, nil
	}
	a = h.askAll(ctx, c)
	if err := ctx.Err(); err != nil && len(a.have) == 0 {
		return a, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.known) >= maxKnown {
		clear(h.known)
	}
	h.known[c] = a
	return a, nil
}

func (h *holders) forget(c cid.Cid) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.known, c)
}

// askAll asks every connected member at once; who answers first comes first.
func (h *holders) askAll(ctx context.Context, c cid.Cid) answer {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	a := answer{asked: h.t.cfg.Swarm.Connected(), at: time.Now()}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, id := range a.asked {
		wg.Go(func() {
			resp, err := h.t.request(ctx, http.MethodHead, id, "blobs", c, 0)
			if err != nil {
				return
			}
			_ = resp.Body.Close()
			mu.Lock()
			defer mu.Unlock()
			a.have = append(a.have, id)
		})
	}
	wg.Wait()
	return a
}
