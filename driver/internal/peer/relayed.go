package peer

import (
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
)

// Relayed reports whether all connections to a peer pass through another one, a relay of libp2p.
func (p *Peer) Relayed(id peer.ID) bool {
	conns := p.host.Network().ConnsToPeer(id)
	for _, c := range conns {
		if _, err := c.RemoteMultiaddr().ValueForProtocol(multiaddr.P_CIRCUIT); err != nil {
			return false
		}
	}
	return len(conns) > 0
}
