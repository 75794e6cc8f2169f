package peer

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	"github.com/libp2p/go-reuseport"
	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

const (
	maxMeeting   = 2                     // addresses of one peer at which it is met
	meetingFor   = 15 * time.Second      // after it was said that a peer dials at the same moment
	insistLeast  = 5 * time.Millisecond  // between two attempts of one dial that was refused, and
	insistSpread = 10 * time.Millisecond // up to so much more: two ends must not go on in step
)

// mappings are the ports that the routers in front of this peer have open for it: one for each connection
// that it dialed. Most routers let another connection from the same local port out by the same port, so that another peer
// which such a router hides can meet it there if both dial at one moment (RFC 5128, section 3.4).
//
// It dials for libp2p: what it dials leaves by a port that can be used again, and no listener shares one.
// It is safe for concurrent use.
type mappings struct {
	mu      sync.Mutex
	of      map[peer.ID]mapping // by the peer that sees it
	current mapping             // the one that is told
	meeting map[peer.ID]meeting // those that dial at the same moment
}

type mapping struct {
	from *net.TCPAddr        // the local end; nil: there is none
	seen multiaddr.Multiaddr // the same, as the other end sees it
}

type meeting struct {
	at    []multiaddr.Multiaddr
	until time.Time
}

func newMappings() *mappings {
	return &mappings{of: map[peer.ID]mapping{}, meeting: map[peer.ID]meeting{}}
}

// note keeps where a peer sees a connection that was dialed from here.
func (m *mappings) note(id peer.ID, local, seen multiaddr.Multiaddr) {
	addr, err := manet.ToNetAddr(local)
	from, ok := addr.(*net.TCPAddr)
	if err != nil || !ok {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.of[id] = mapping{from, seen}
}

// lost forgets what a peer saw that is not connected any more.
func (m *mappings) lost(id peer.ID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.of, id)
}

// tell chooses a mapping that a peer sees which ok trusts, and returns where others are to dial; none if
// there has never been any.
func (m *mappings) tell(ok func(peer.ID) bool) []multiaddr.Multiaddr {
	m.mu.Lock()
	var by []peer.ID
	for id := range m.of {
		by = append(by, id)
	}
	m.mu.Unlock()
	slices.Sort(by)
	by = slices.DeleteFunc(by, func(id peer.ID) bool { return !ok(id) })

	m.mu.Lock()
	defer m.mu.Unlock()
	if len(by) > 0 {
		if found, ok := m.of[by[0]]; ok {
			m.current = found
		}
	}
	if m.current.from == nil {
		return nil
	}
	return []multiaddr.Multiaddr{m.current.seen}
}

// meet notes at which addresses a peer will be that dials at the same moment, and returns those that are dialed.
func (m *mappings) meet(id peer.ID, at []multiaddr.Multiaddr, now time.Time) []multiaddr.Multiaddr {
	var some []multiaddr.Multiaddr
	for _, a := range at {
		if _, err := manet.ToIP(a); err == nil && len(some) < maxMeeting && relayOf(a) == "" {
			some = append(some, a)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for other, of := range m.meeting {
		if now.After(of.until) {
			delete(m.meeting, other)
		}
	}
	m.meeting[id] = meeting{some, now.Add(meetingFor)}
	return some
}

// meets reports whether a peer dials at the same moment.
func (m *mappings) meets(id peer.ID, at multiaddr.Multiaddr, now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	of := m.meeting[id]
	return now.Before(of.until) && multiaddr.Contains(of.at, at)
}

// dialer is a tcp.DialerForAddr.
func (m *mappings) dialer(at multiaddr.Multiaddr) (tcp.ContextDialer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	d := &dialer{Dialer: net.Dialer{Control: reuseport.Control}}
	for _, of := range m.meeting {
		if multiaddr.Contains(of.at, at) && time.Now().Before(of.until) && m.current.from != nil {
			d.LocalAddr, d.insists = m.current.from, true
		}
	}
	return d, nil
}

type dialer struct {
	net.Dialer
	insists bool
}

// DialContext implements tcp.ContextDialer. A router that refuses what it does not expect does so until the
// end behind it has dialed as well: the dial is begun again and again while ctx lasts.
func (d *dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	for {
		c, err := d.Dialer.DialContext(ctx, network, address)
		if err == nil || !d.insists || !errors.Is(err, syscall.ECONNREFUSED) {
			return c, err
		}
		select {
		case <-time.After(insistLeast + rand.N(insistSpread)):
		case <-ctx.Done():
			return nil, err
		}
	}
}
