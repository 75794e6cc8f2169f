package peer

import (
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/protocol/holepunch"
	"github.com/libp2p/go-libp2p/p2p/protocol/identify"
	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// punching connects this peer straight with members that it reaches by way of others alone, by libp2p's DCUtR
// (https://github.com/libp2p/specs/blob/master/relay/DCUtR.md): over the relay both say where routers show
// them, and then both dial there at one moment. It is begun once a router is seen in front of this
// peer. It is safe for concurrent use.
type punching struct {
	peer *Peer

	mu      sync.Mutex
	service *holepunch.Service // nil: not begun
	closed  bool
	done    map[peer.ID]int // local ports from which members were met
}

func newPunching(p *Peer) *punching { return &punching{peer: p, done: map[peer.ID]int{}} }

// begin takes part once routers show this peer to members.
func (n *punching) begin() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed || n.service != nil || len(n.shown()) == 0 {
		return nil
	}
	h, ok := n.peer.host.(interface{ IDService() identify.IDService })
	if !ok {
		return fmt.Errorf("hole punching: the host is a %T", n.peer.host)
	}
	service, err := holepunch.NewService(n.peer.host, h.IDService(), n.shown, holepunch.WithAddrFilter(n), holepunch.WithTracer(n))
	if err != nil {
		return fmt.Errorf("hole punching: %w", err)
	}
	n.service = service
	return nil
}

func (n *punching) close() error {
	n.mu.Lock()
	service := n.service
	n.closed, n.service = true, nil
	n.mu.Unlock()
	if service == nil {
		return nil
	}
	return service.Close()
}

// shown is where routers show this peer to trusted members: what another one says could be the address of anybody.
// It is never empty again once it was not.
func (n *punching) shown() []multiaddr.Multiaddr { return n.peer.mappings.tell(n.peer.mayRelay) }

// meet dials a member at the moment at which it dials this peer, if it is this peer's turn to ask: that of who was
// dialed by way of a relay.
func (n *punching) meet(id peer.ID) error {
	n.mu.Lock()
	service := n.service
	n.mu.Unlock()
	inbound := false
	for _, c := range n.peer.host.Network().ConnsToPeer(id) {
		inbound = inbound || c.Stat().Direction == network.DirInbound && relayOf(c.RemoteMultiaddr()) != ""
	}
	if service == nil || !inbound || !n.peer.Trusts(id) {
		return nil
	}
	return service.DirectConnect(id)
}

// FilterLocal implements holepunch.AddrFilter: what a member is told.
func (n *punching) FilterLocal(_ peer.ID, addrs []multiaddr.Multiaddr) []multiaddr.Multiaddr {
	return addrs
}

// FilterRemote implements holepunch.AddrFilter: where a member is dialed that says where it is. Who is not trusted could name
// anybody's address.
func (n *punching) FilterRemote(id peer.ID, addrs []multiaddr.Multiaddr) []multiaddr.Multiaddr {
	if !n.peer.IsMember(id) || !n.peer.Trusts(id) {
		return nil
	}
	return n.peer.mappings.meet(id, addrs, time.Now())
}

// Trace implements holepunch.EventTracer.
func (n *punching) Trace(ev *holepunch.Event) {
	end, ok := ev.Evt.(*holepunch.EndHolePunchEvt)
	if !ok || !end.Success {
		return
	}
	for _, c := range n.peer.host.Network().ConnsToPeer(ev.Remote) {
		if relayOf(c.RemoteMultiaddr()) == "" {
			n.mu.Lock()
			n.done[ev.Remote] = portOf(c.LocalMultiaddr())
			n.mu.Unlock()
			n.peer.about(ev.Remote).WithField("address", c.RemoteMultiaddr().String()).Debug("a registry is reached straight, through the routers in front of both")
		}
	}
}

// through reports whether a member is reached through routers that let nothing else in: where it says that its data port is, there
// is none for this peer.
func (n *punching) through(id peer.ID) bool {
	n.mu.Lock()
	port, ok := n.done[id]
	n.mu.Unlock()
	if !ok {
		return false
	}
	for _, c := range n.peer.host.Network().ConnsToPeer(id) {
		if relayOf(c.RemoteMultiaddr()) == "" && portOf(c.LocalMultiaddr()) != port {
			return false
		}
	}
	return true
}

func (n *punching) lost(id peer.ID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.done, id)
}

// portOf is the TCP port in an address; 0 when there is none.
func portOf(a multiaddr.Multiaddr) int {
	addr, err := manet.ToNetAddr(a)
	if tcp, ok := addr.(*net.TCPAddr); err == nil && ok {
		return tcp.Port
	}
	return 0
}
