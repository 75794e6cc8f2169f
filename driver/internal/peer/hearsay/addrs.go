package hearsay

import (
	"net"
	"net/netip"

	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// MaxAddrs are taken of the addresses that one peer names of another.
const MaxAddrs = 8

// sharedSpace is that of carriers' NAT (RFC 6598), where hosts reach each other as in a private
// network.
var sharedSpace = netip.MustParsePrefix("100.64.0.0/10")

// Network is where the peer that is told addresses stands.
type Network struct {
	Nets   []netip.Prefix // that it is attached to
	Public bool           // on the public IPFS network QUIC is dialed as well
}

// Attached are the networks of this machine's interfaces.
func Attached() (nets []netip.Prefix) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil // then no private address is taken from afar
	}
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil && !p.Addr().IsLoopback() && !p.Addr().IsLinkLocalUnicast() {
			nets = append(nets, p.Masked())
		}
	}
	return nets
}

// Useful are those addresses, named of another peer by one that is connected from teller, that
// may be dialed: MaxAddrs at most, of plain TCP, with an IP address to which MayLead, or a name.
func (n Network) Useful(teller netip.Addr, named []multiaddr.Multiaddr) []multiaddr.Multiaddr {
	var useful []multiaddr.Multiaddr
	for _, a := range named {
		if len(useful) == MaxAddrs {
			break
		}
		if !n.dialable(a) || multiaddr.Contains(useful, a) {
			continue
		}
		if ip, ok := IPOf(a); ok && !n.MayLead(teller, ip) {
			continue
		}
		useful = append(useful, a)
	}
	return useful
}

// dialable reports whether an address is of a transport that says nothing to a host that is no
// peer: a WebSocket sends it HTTP.
func (n Network) dialable(a multiaddr.Multiaddr) bool {
	if len(a) < 2 {
		return false
	}
	switch a[0].Protocol().Code {
	case multiaddr.P_IP4, multiaddr.P_IP6, multiaddr.P_DNS, multiaddr.P_DNS4, multiaddr.P_DNS6:
	default:
		return false
	}
	second := a[1].Protocol().Code
	quic := n.Public && len(a) == 3 && second == multiaddr.P_UDP && a[2].Protocol().Code == multiaddr.P_QUIC_V1
	return quic || len(a) == 2 && second == multiaddr.P_TCP
}

// MayLead reports whether a peer that is connected from teller may have this one dial an IP
// address. It may not lead from another machine to this one's own loopback interface, or to what
// only its neighbors are to reach; nor from the Internet into a private network, unless this
// machine is attached to it.
func (n Network) MayLead(teller, ip netip.Addr) bool {
	teller, ip = teller.Unmap(), ip.Unmap()
	switch {
	case !ip.IsValid() || ip.IsUnspecified() || ip.IsMulticast() || ip.IsLinkLocalUnicast():
		return false
	case ip.Is4() && (ip.As4()[0] == 0 || ip.As4()[0] >= 240):
		return false // no host has these, RFC 6890
	case ip.IsLoopback():
		return teller.IsLoopback()
	case !inside(ip) || inside(teller) || teller.IsLoopback():
		return true
	}
	for _, net := range n.Nets {
		if net.Contains(ip) {
			return true
		}
	}
	return false
}

// inside reports whether an address means something in a private network only.
func inside(ip netip.Addr) bool { return ip.IsPrivate() || sharedSpace.Contains(ip) }

// IPOf is the IP address of a multiaddr; false when it has a name, or none.
func IPOf(a multiaddr.Multiaddr) (netip.Addr, bool) {
	ip, err := manet.ToIP(a)
	if err != nil {
		return netip.Addr{}, false
	}
	addr, ok := netip.AddrFromSlice(ip)
	return addr.Unmap(), ok
}
