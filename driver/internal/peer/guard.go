package peer

import (
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/limit"
)

// guard is libp2p's resource manager with the bounds of the budget before it, which libp2p has
// no words for: handshakes under way, connections and streams by rank, peer and address. Its
// lock is never held while libp2p or the roster is called.
type guard struct {
	network.ResourceManager
	rank                       func(peer.ID) limit.Rank      // at the door
	at                         func(netip.Prefix) limit.Rank // of an address, before its peer is known
	arrivals                   *limit.Rate
	handshakes, conns, streams *limit.Bound
	windows                    *limit.Bound // nil: libp2p's own bounds are enough
	refuse                     func(limit.What, limit.Source)

	mu    sync.Mutex
	peers map[peer.ID]*present
}

// present is what a peer has here.
type present struct {
	address netip.Prefix // of its first connection
	things  map[*limit.Thing]struct{}
}

func newGuard(m network.ResourceManager, b *limit.Budget, rank func(peer.ID) limit.Rank, at func(netip.Prefix) limit.Rank) *guard {
	return &guard{
		ResourceManager: m, rank: rank, at: at, arrivals: b.Rate(limit.Arrivals),
		handshakes: b.Bound(limit.Handshakes), conns: b.Bound(limit.Connections), streams: b.Bound(limit.Streams),
		refuse: b.Refuse,
		peers:  map[peer.ID]*present{},
	}
}

// tooMany is the refusal of a bound, which libp2p takes for one of its own.
func tooMany(what limit.What) error {
	return fmt.Errorf("too many %s: %w", what, network.ErrResourceLimitExceeded)
}

// OpenConnection implements network.ResourceManager. A connection that comes in is a handshake
// until its peer is known.
func (g *guard) OpenConnection(dir network.Direction, usefd bool, at multiaddr.Multiaddr) (network.ConnManagementScope, error) {
	c := &connScope{guard: g, dir: dir, address: addressOf(at), handshake: func() {}}
	if dir == network.DirInbound {
		from := limit.Source{Address: c.address, Rank: g.at(c.address)}
		if !g.arrivals.Allow(from, 1) {
			return nil, tooMany(limit.Arrivals)
		}
		var ok bool
		if c.handshake, ok = g.handshakes.Enter(from); !ok {
			return nil, tooMany(limit.Handshakes)
		}
	}
	scope, err := g.ResourceManager.OpenConnection(dir, usefd, at)
	if err != nil {
		c.handshake()
		return nil, err
	}
	c.ConnManagementScope = scope
	return c, nil
}

// OpenStream implements network.ResourceManager.
func (g *guard) OpenStream(id peer.ID, dir network.Direction) (network.StreamManagementScope, error) {
	scope, err := g.ResourceManager.OpenStream(id, dir)
	if err != nil || dir == network.DirOutbound {
		return scope, err
	}
	thing, ok := g.streams.Admit(limit.Source{Peer: id, Address: g.addressOf(id), Rank: g.rank(id)})
	if !ok {
		scope.Done()
		return nil, tooMany(limit.Streams)
	}
	g.keep(id, netip.Prefix{}, thing)
	return &streamScope{StreamManagementScope: scope, left: sync.OnceFunc(func() { g.leave(id, thing) })}, nil
}

func (g *guard) addressOf(id peer.ID) netip.Prefix {
	g.mu.Lock()
	defer g.mu.Unlock()
	if p := g.peers[id]; p != nil {
		return p.address
	}
	return netip.Prefix{}
}

// keep notes what a peer has, and raises it if the peer has become a member meanwhile.
func (g *guard) keep(id peer.ID, address netip.Prefix, thing *limit.Thing) {
	g.mu.Lock()
	p := g.peers[id]
	if p == nil {
		p = &present{things: map[*limit.Thing]struct{}{}}
		g.peers[id] = p
	}
	if !p.address.IsValid() {
		p.address = address
	}
	p.things[thing] = struct{}{}
	g.mu.Unlock()
	thing.Raise(g.rank(id))
}

func (g *guard) leave(id peer.ID, thing *limit.Thing) {
	thing.Leave()
	g.mu.Lock()
	defer g.mu.Unlock()
	p := g.peers[id]
	if delete(p.things, thing); len(p.things) == 0 {
		delete(g.peers, id)
	}
}

// raise counts all that a peer has for the rank that it has now.
func (g *guard) raise(id peer.ID) {
	rank := g.rank(id)
	g.mu.Lock()
	defer g.mu.Unlock()
	if p := g.peers[id]; p != nil {
		for thing := range p.things {
			thing.Raise(rank)
		}
	}
}

// connScope is the scope of one connection.
type connScope struct {
	network.ConnManagementScope
	guard     *guard
	dir       network.Direction
	address   netip.Prefix
	handshake func() // ends it

	mu   sync.Mutex
	late *time.Timer // closes it while its peer is not known; nil: nothing does
	left func()      // nil: its peer is not known
	done bool
}

// SetPeer implements network.ConnManagementScope. A connection that this peer dials is bounded
// by its rank alone: whom to dial, and how often, the roster decides.
func (c *connScope) SetPeer(id peer.ID) error {
	g, from := c.guard, limit.Source{Rank: c.guard.rank(id)}
	if c.dir == network.DirInbound {
		from.Peer, from.Address = id, c.address
	}
	thing, ok := g.conns.Admit(from)
	if !ok {
		return tooMany(limit.Connections)
	}
	if err := c.ConnManagementScope.SetPeer(id); err != nil {
		thing.Leave()
		return err
	}
	g.keep(id, c.address, thing)
	c.known(func() { g.leave(id, thing) })
	return nil
}

func (c *connScope) known(left func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.handshake()
	if c.late != nil {
		c.late.Stop()
	}
	if c.done { // it was closed meanwhile
		left()
		return
	}
	c.left = left
}

// closeAfter closes the connection when its peer is not known in time.
func (c *connScope) closeAfter(d time.Duration, closes func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left == nil && !c.done {
		c.late = time.AfterFunc(d, closes)
	}
}

// Done implements network.ConnManagementScope. It may be called again.
func (c *connScope) Done() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.done {
		c.done = true
		c.handshake()
		if c.late != nil {
			c.late.Stop()
		}
		if c.left != nil {
			c.left()
		}
	}
	c.ConnManagementScope.Done()
}

// streamScope is the scope of a stream that a peer has opened.
type streamScope struct {
	network.StreamManagementScope
	left func()
}

// Done implements network.StreamManagementScope.
func (s *streamScope) Done() {
	s.left()
	s.StreamManagementScope.Done()
}
