package simulate

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/limit"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// Member is a registry. It implements pathmap.Swarm for its map.
type Member struct {
	swarm   *Swarm
	id      peer.ID
	number  int
	latency time.Duration // how long a byte takes to the middle of the network
	others  []peer.ID
	mesh    []*Member // to whom it passes announcements on
	budget  *limit.Budget
	store   store
	tally   tally
	seen    history

	paths *pathmap.Map

	mu       sync.Mutex
	listener *listener            // nil: it does not answer yet
	arrived  map[string]time.Time // when its map had a path for the first time
}

var _ pathmap.Swarm = (*Member)(nil)

// delay is how long a byte takes to another member.
func (m *Member) delay(to *Member) time.Duration { return m.latency + to.latency }

func (m *Member) added(paths []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range paths {
		if m.arrived[p].IsZero() {
			m.arrived[p] = time.Now()
		}
	}
}

// Connected implements pathmap.Swarm: every member is connected with all others.
func (m *Member) Connected() []peer.ID { return append([]peer.ID(nil), m.others...) }

// Known implements pathmap.Swarm.
func (m *Member) Known() []peer.ID { return m.Connected() }

// Unheard implements pathmap.Swarm.
func (m *Member) Unheard() []peer.ID { return nil }

// Trusts implements pathmap.Swarm.
func (m *Member) Trusts(peer.ID) bool { return true }

// Confirmed implements pathmap.Swarm.
func (m *Member) Confirmed(peer.ID) bool { return true }

// Alive implements pathmap.Swarm.
func (m *Member) Alive(context.Context, peer.ID) bool { return true }

// Budget implements pathmap.Swarm.
func (m *Member) Budget() *limit.Budget { return m.budget }

// Source implements pathmap.Swarm.
func (m *Member) Source(id peer.ID) limit.Source {
	return limit.Source{Peer: id, Rank: limit.Trusted}
}

// Remote implements pathmap.Swarm.
func (m *Member) Remote(c net.Conn) peer.ID {
	if c, ok := c.(*conn); ok {
		return c.other.id
	}
	return ""
}

// Listen implements pathmap.Swarm.
func (m *Member) Listen(protocol.ID) (net.Listener, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.listener = &listener{self: m, conns: make(chan net.Conn), over: make(chan struct{})}
	return m.listener, nil
}

var errNotThere = errors.New("it does not answer")

// Dial implements pathmap.Swarm. As a stream of a connection that is there it can be written to at
// once.
func (m *Member) Dial(_ context.Context, id peer.ID, _ protocol.ID) (net.Conn, error) {
	to := m.swarm.byID[id]
	to.mu.Lock()
	l := to.listener
	to.mu.Unlock()
	if l == nil {
		return nil, fmt.Errorf("dial %s: %w", id, errNotThere)
	}
	asking, answering := connect(m, to)
	time.AfterFunc(m.delay(to), func() { l.arrive(answering) })
	return asking, nil
}

// Publish implements pathmap.Swarm.
func (m *Member) Publish(_ context.Context, b []byte) error {
	m.swarm.announce(m, b)
	return nil
}
