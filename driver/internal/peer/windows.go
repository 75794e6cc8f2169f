package peer

import (
	"net/netip"
	"sync"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/limit"
)

// PeerScope implements network.ConnManagementScope. What the streams of a connection may have on
// their way is reserved there: the first window of each when it is opened, by either end, and more
// when a window grows. libp2p knows one bound for all peers, which any of them could take.
func (c *connScope) PeerScope() network.PeerScope {
	scope := c.ConnManagementScope.PeerScope()
	if scope == nil || c.guard.windows == nil {
		return scope
	}
	return peerScope{scope, c.guard, c.address}
}

type peerScope struct {
	network.PeerScope
	guard   *guard
	address netip.Prefix
}

// BeginSpan implements network.ResourceScope. Each stream has a span.
func (s peerScope) BeginSpan() (network.ResourceScopeSpan, error) {
	span, err := s.PeerScope.BeginSpan()
	if err != nil {
		return nil, err
	}
	return &windows{ResourceScopeSpan: span, guard: s.guard, peer: s.Peer(), address: s.address}, nil
}

// windows are those of one stream: one, and what it has grown by.
type windows struct {
	network.ResourceScopeSpan
	guard   *guard
	peer    peer.ID
	address netip.Prefix

	mu     sync.Mutex
	things []*limit.Thing
}

// ReserveMemory implements network.ResourceScope. A window that may not grow is no refusal.
func (w *windows) ReserveMemory(size int, prio uint8) error {
	from := limit.Source{Peer: w.peer, Address: w.address, Rank: w.guard.rank(w.peer)}
	thing, ok := w.guard.windows.Reserve(from, (size+limit.WindowUnit-1)/limit.WindowUnit)
	if !ok {
		if prio == network.ReservationPriorityAlways {
			w.guard.refuse(limit.Windows, from)
		}
		return tooMany(limit.Windows)
	}
	if err := w.ResourceScopeSpan.ReserveMemory(size, prio); err != nil {
		thing.Leave()
		return err
	}
	w.guard.keep(w.peer, w.address, thing)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.things = append(w.things, thing)
	return nil
}

// Done implements network.ResourceScopeSpan.
func (w *windows) Done() {
	w.mu.Lock()
	things := w.things
	w.things = nil
	w.mu.Unlock()
	for _, thing := range things {
		w.guard.leave(w.peer, thing)
	}
	w.ResourceScopeSpan.Done()
}
