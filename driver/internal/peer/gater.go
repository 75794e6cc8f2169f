package peer

import (
	"net/netip"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/control"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/limit"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer/hearsay"
)

// gater is asked about every dial of libp2p in a private network, whoever wants it: addresses
// come from members, and from the DHT and pubsub as well, where any peer may name them. It is asked
// about each connection, too, as soon as its peer is known. It implements connmgr.ConnectionGater.
type gater struct {
	roster   *roster
	mappings *mappings
	unlisted func(peer.ID, multiaddr.Multiaddr) // told of each connection that comes in and is refused
}

// InterceptPeerDial lets addresses decide, where the peer is allowed.
func (g gater) InterceptPeerDial(id peer.ID) bool { return g.roster.lists.allows(id) }

// InterceptAddrDial judges an address after its name was looked up.
func (g gater) InterceptAddrDial(id peer.ID, a multiaddr.Multiaddr) bool {
	if relay := relayOf(a); relay != "" {
		return g.roster.mayDialBy(relay)
	}
	return g.mappings.meets(id, a, time.Now()) || g.roster.mayDialAt(id, a, hearsay.Attached, time.Now())
}

// InterceptAccept refuses what comes by way of a peer that is not to relay.
func (g gater) InterceptAccept(c network.ConnMultiaddrs) bool {
	relay := relayOf(c.RemoteMultiaddr())
	return relay == "" || g.roster.mayDialBy(relay)
}

// InterceptSecured refuses who is not allowed, once it has shown who it is: before it has a muxer, or
// could open a stream.
func (g gater) InterceptSecured(dir network.Direction, id peer.ID, c network.ConnMultiaddrs) bool {
	allowed := g.roster.lists.allows(id)
	if !allowed && dir == network.DirInbound {
		g.unlisted(id, c.RemoteMultiaddr())
	}
	return allowed
}

// InterceptUpgraded takes no part.
func (gater) InterceptUpgraded(network.Conn) (bool, control.DisconnectReason) { return true, 0 }

// mayDialAt reports whether a peer may be dialed at an address: at those of the configuration,
// at those that a member of use says of itself, and at those that are charged to whoever said
// them. Any other is what a name stands for, or comes from strangers: it must lead where the
// peer's other addresses may, and is charged to its host unless a member of use has that name.
func (r *roster) mayDialAt(id peer.ID, a multiaddr.Multiaddr, attached func() []netip.Prefix, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.records[id]
	if e == nil {
		e = &entry{}
	}
	useful := e.standing(r) < onTrial
	switch {
	case multiaddr.Contains(e.fixed, a) || anyName(e.fixed) || multiaddr.Contains(e.trying, a) || multiaddr.Contains(r.visited[id], a):
		return true
	case useful && multiaddr.Contains(e.addrs, a):
		return true
	}
	at := hearsay.Network{Nets: attached()}
	if !useful && len(at.Useful(e.teller, []multiaddr.Multiaddr{a})) == 0 {
		return false
	}
	ip, ok := hearsay.IPOf(a)
	switch {
	case !ok || !at.MayLead(e.teller, ip):
		return false
	case useful && anyName(e.addrs) || r.book.Charge(ip, now):
		return true
	}
	from := limit.Source{Address: limit.Address(e.teller)}
	if from.Address.IsValid() {
		from.Rank = limit.Member
	}
	r.refused(from)
	return false
}

// visit lets a peer that is no member be dialed at some addresses, until done is called.
func (r *roster) visit(id peer.ID, addrs []multiaddr.Multiaddr) (done func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.visited[id] = addrs
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.visited, id)
	}
}

// anyName reports whether one of the addresses has to be looked up.
func anyName(addrs []multiaddr.Multiaddr) bool {
	return slices.ContainsFunc(addrs, func(a multiaddr.Multiaddr) bool { _, isIP := hearsay.IPOf(a); return !isIP })
}
