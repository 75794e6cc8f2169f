package peer

import (
	"net"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// AddrsOf are the addresses at which other peers reach a peer of this configuration once it
// runs, each ending in its ID, in the order of Peer.Addrs.
func AddrsOf(id peer.ID, cfg Config) []multiaddr.Multiaddr {
	addrs := cfg.Announce
	if len(addrs) == 0 {
		addrs = cfg.Listen
		if resolved, err := manet.ResolveUnspecifiedAddresses(addrs, nil); err == nil {
			addrs = resolved
		} // else no address of any interface fits, and what is configured is all there is to say
		addrs = Useful(addrs)
	}
	return withID(id, addrs)
}

// Addrs are the addresses at which other peers can reach this one, each ending in its ID:
// those announced, or else the Useful ones.
func (p *Peer) Addrs() []multiaddr.Multiaddr {
	if len(p.cfg.Announce) > 0 {
		return withID(p.ID(), p.cfg.Announce)
	}
	return withID(p.ID(), Useful(p.host.Addrs()))
}

func withID(id peer.ID, addrs []multiaddr.Multiaddr) []multiaddr.Multiaddr {
	full, err := peer.AddrInfoToP2pAddrs(&peer.AddrInfo{ID: id, Addrs: addrs})
	if err != nil { // only without an ID
		return nil
	}
	return full
}

// Useful orders addresses for an operator who takes the first one: those of the interface
// that leads out of this machine come before others, such as those of bridges for
// containers. Addresses that are valid only on this machine are left out, unless there are
// no others.
func Useful(addrs []multiaddr.Multiaddr) []multiaddr.Multiaddr {
	useful := slices.DeleteFunc(slices.Clone(addrs), func(a multiaddr.Multiaddr) bool {
		return manet.IsIPLoopback(a) || manet.IsIPUnspecified(a) || manet.IsIP6LinkLocal(a)
	})
	if len(useful) == 0 {
		return slices.Clone(addrs)
	}
	out := outwards()
	rank := func(a multiaddr.Multiaddr) int {
		if ip, err := manet.ToIP(a); err == nil && slices.ContainsFunc(out, ip.Equal) {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(useful, func(a, b multiaddr.Multiaddr) int { return rank(a) - rank(b) })
	return useful
}

// outwards returns this machine's addresses on its default routes. Connecting a UDP socket
// only looks up the route: nothing is sent.
func outwards() []net.IP {
	var ips []net.IP
	for network, documentation := range map[string]string{"udp4": "203.0.113.1:9", "udp6": "[2001:db8::1]:9"} { // RFC 5737, RFC 3849
		c, err := net.Dial(network, documentation)
		if err != nil {
			continue // no route
		}
		if local, ok := c.LocalAddr().(*net.UDPAddr); ok {
			ips = append(ips, local.IP)
		}
		_ = c.Close()
	}
	return ips
}
