package dataport

import (
	"net"
	"strconv"

	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// IsAddr reports whether an address can be listened on or dialed: an IP address or a DNS
// name, and a TCP port.
func IsAddr(a multiaddr.Multiaddr) bool {
	_, _, err := manet.DialArgs(a)
	if err != nil || len(a) != 2 {
		return false
	}
	_, err = a.ValueForProtocol(multiaddr.P_TCP)
	return err == nil
}

// Addrs are the addresses listened on. An unspecified one is given as it is, and stands for
// the address at which this peer is seen; it is followed by the hosts, which are addresses
// of another port, with this port.
func (p *Port) Addrs(hosts []multiaddr.Multiaddr) []multiaddr.Multiaddr {
	var addrs []multiaddr.Multiaddr
	for _, l := range p.sockets {
		a, err := manet.FromNetAddr(l.Addr())
		if err != nil {
			continue // only of a network that is not TCP
		}
		addrs = addNew(addrs, a)
		if !manet.IsIPUnspecified(a) {
			continue
		}
		for _, h := range hosts {
			addrs = addNew(addrs, withPort(h, l.Addr()))
		}
	}
	return addrs
}

// Targets are the addresses to dial, of those that a peer claims for itself, the likeliest
// first. An unspecified one stands for those at which the peer is seen: the other ends of its
// connections.
func Targets(said, seen []multiaddr.Multiaddr) []multiaddr.Multiaddr {
	var targets, others []multiaddr.Multiaddr
	for _, a := range said {
		if !manet.IsIPUnspecified(a) {
			others = append(others, a)
			continue
		}
		for _, remote := range seen {
			targets = addNew(targets, SeenAt(remote, a))
		}
	}
	for _, a := range others {
		targets = addNew(targets, a)
	}
	return targets
}

// addNew appends an address that is not nil and not there yet.
func addNew(addrs []multiaddr.Multiaddr, a multiaddr.Multiaddr) []multiaddr.Multiaddr {
	if a == nil || multiaddr.Contains(addrs, a) {
		return addrs
	}
	return append(addrs, a)
}

// withPort is the host of an address with the port of a TCP listener; nil where the
// address is not TCP.
func withPort(a multiaddr.Multiaddr, listener net.Addr) multiaddr.Multiaddr {
	tcp, ok := listener.(*net.TCPAddr)
	if !ok || len(a) == 0 {
		return nil
	}
	if _, err := a.ValueForProtocol(multiaddr.P_TCP); err != nil {
		return nil
	}
	port, err := multiaddr.NewComponent("tcp", strconv.Itoa(tcp.Port))
	if err != nil {
		return nil
	}
	return multiaddr.Join(a[:1].Multiaddr(), port.Multiaddr())
}

// SeenAt is an address of a port with the host of another address of the same peer.
func SeenAt(remote, a multiaddr.Multiaddr) multiaddr.Multiaddr {
	host, err := manet.ToIP(remote)
	if err != nil {
		return nil // through a relay, for example
	}
	ip, err := manet.FromIP(host)
	if err != nil || len(a) < 2 {
		return nil
	}
	return multiaddr.Join(ip, a[1:])
}
