package replica

import (
	"context"
	"sync"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/sync/errgroup"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/replica/place"
)

// asking is whom a walk asks for copies.
type asking struct {
	k      *Keeper
	silent map[peer.ID]bool // have not answered: they are not asked again
}

// count asks the members that are here which of the blobs they have. A copy that is about to go
// counts only where there is no other. Who does not answer has nothing.
func (a *asking) count(ctx context.Context, some []missing) {
	_, others := a.k.cfg.Members()
	counted := newTally(some)
	var g errgroup.Group
	g.SetLimit(askedAtOnce)
	for _, m := range others {
		if m.Away == 0 && !a.silent[m.ID] {
			g.Go(func() error { counted.ask(ctx, a.k, m); return nil })
		}
	}
	_ = g.Wait() // nothing in it fails
	for _, id := range counted.silent {
		a.silent[id] = true
	}
	counted.write(some)
}

// tally counts copies. It is safe for concurrent use.
type tally struct {
	blobs []cid.Cid

	mu     sync.Mutex
	stay   []int  // copies on registries that stay
	some   []bool // there is any copy
	silent []peer.ID
}

func newTally(of []missing) *tally {
	t := &tally{stay: make([]int, len(of)), some: make([]bool, len(of))}
	for _, m := range of {
		t.blobs = append(t.blobs, m.Blob)
	}
	return t
}

func (t *tally) ask(ctx context.Context, k *Keeper, m place.Member) {
	copies, err := k.Ask(ctx, m.ID, t.blobs)
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil {
		t.silent = append(t.silent, m.ID)
		return
	}
	for i, c := range copies {
		if c.Whole {
			t.some[i] = true
			if !m.Draining {
				t.stay[i]++
			}
		}
	}
}

func (t *tally) write(to []missing) {
	for i := range to {
		to[i].Copies = t.stay[i]
		if t.some[i] {
			to[i].Copies = max(1, t.stay[i])
		}
	}
}
