package pathmap

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
)

// askAgain is how often a member is asked again for deltas that have not come.
const askAgain = time.Second

// AwaitMerged waits until deltas are merged here, on this registry's disk. The trusted member
// that names them is asked for those that are missing. The error is ErrBehind when ctx ends
// first.
func (m *Map) AwaitMerged(ctx context.Context, from peer.ID, heads []cid.Cid) error {
	if m.cfg.Swarm == nil || !m.cfg.Swarm.Trusts(from) {
		return fmt.Errorf("merge what %s names: it is not trusted", from)
	}
	again := time.NewTicker(askAgain)
	defer again.Stop()
	for ask := true; ; {
		changed := m.published.wait() // first, so that no change is missed
		unknown, err := m.unknownHeads(heads)
		if err != nil || len(unknown) == 0 {
			return err
		}
		if ask {
			m.inbox.add(from, unknown)
		}
		select {
		case <-changed:
			ask = false
		case <-again.C:
			ask = true
		case <-ctx.Done():
			return ErrBehind
		}
	}
}

// changes wakes all who wait for the map to change.
type changes struct {
	mu      sync.Mutex
	waiting chan struct{} // nil: nobody waits
}

// wait returns a channel that is closed at the next change.
func (c *changes) wait() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting == nil {
		c.waiting = make(chan struct{})
	}
	return c.waiting
}

func (c *changes) happen() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting != nil {
		close(c.waiting)
		c.waiting = nil
	}
}
