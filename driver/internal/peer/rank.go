package peer

import (
	"net/netip"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/limit"
)

// Rank is what a peer is to this one now. With no list of trusted peers all members are trusted.
func (p *Peer) Rank(id peer.ID) limit.Rank {
	switch {
	case p.IsMember(id) && p.Trusts(id):
		return limit.Trusted
	case p.IsMember(id):
		return limit.Member
	case p.isConnected(id):
		return limit.Connected
	}
	return limit.Stranger
}

// rankAtTheDoor is the rank by which a peer's connections and streams are counted. A peer that is
// on its way to the topic is in no worse a place than those that never will be: what trustedpeers
// names has shown who it is, and so have members that come back, and bootstrappers.
func (p *Peer) rankAtTheDoor(id peer.ID) limit.Rank {
	member, known := p.roster.standing(id)
	switch {
	case member && p.Trusts(id), p.roster.isNamed(id):
		return limit.Trusted
	case known:
		return limit.Member
	}
	return limit.Connected
}

// standing reports whether a peer is a member, and whether it is known: it has been one, or is in
// the configuration.
func (r *roster) standing(id peer.ID) (member, known bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.records[id]
	if e == nil {
		return false, false
	}
	return e.member(), e.member() || e.confirmed || e.keep
}

// raise counts what a peer has for the rank that it has now.
func (p *Peer) raise(id peer.ID) {
	if g, ok := p.host.Network().ResourceManager().(*guard); ok {
		g.raise(id)
	}
}

// Source is a peer as a limit.Bound counts it: by its rank, and by the address from which it is
// connected, if it is.
func (p *Peer) Source(id peer.ID) limit.Source {
	s := limit.Source{Peer: id, Rank: p.Rank(id)}
	if conns := p.host.Network().ConnsToPeer(id); len(conns) > 0 {
		s.Address = addressOf(conns[0].RemoteMultiaddr())
	}
	return s
}

// SourceOf is Source, by the remote address of a connection of Listen or ListenData.
func (p *Peer) SourceOf(remote string) limit.Source {
	id, err := peer.Decode(remote)
	if err != nil {
		return limit.Source{}
	}
	return p.Source(id)
}

// Budget is what peers may take of this registry.
func (p *Peer) Budget() *limit.Budget { return p.cfg.Budget }

// addressOf is the address that a multiaddr counts towards; zero when it has none.
func addressOf(a multiaddr.Multiaddr) netip.Prefix {
	ip, err := manet.ToIP(a)
	if err != nil {
		return netip.Prefix{}
	}
	addr, _ := netip.AddrFromSlice(ip)
	return limit.Address(addr)
}
