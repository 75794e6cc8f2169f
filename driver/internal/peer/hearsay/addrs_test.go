package hearsay

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/multiformats/go-multiaddr"
)

func addrs(texts ...string) (all []multiaddr.Multiaddr) {
	for _, a := range texts {
		all = append(all, multiaddr.StringCast(a))
	}
	return all
}

func texts(all []multiaddr.Multiaddr) (texts []string) {
	for _, a := range all {
		texts = append(texts, a.String())
	}
	return texts
}

// TestOnlyPlainAddressesAreDialed, and no more than a few.
func TestOnlyPlainAddressesAreDialed(t *testing.T) {
	named := []string{
		"/ip4/198.51.100.1/tcp/1", "/dns4/a.example/tcp/1", "/ip4/198.51.100.1/tcp/1/ws", "/dns4/a.example/tcp/443/tls/ws",
		"/ip4/198.51.100.1/udp/1/quic-v1", "/ip4/198.51.100.1/udp/1", "/ip4/198.51.100.1", "/unix/tmp/a",
		"/dnsaddr/a.example", "/ip6zone/eth0/ip6/fe80::1/tcp/1", "/ip4/198.51.100.1/tcp/1",
	}
	teller := netip.MustParseAddr("203.0.113.5")
	private, public := []string{named[0], named[1]}, []string{named[0], named[1], named[4]}
	if got := texts(Network{}.Useful(teller, addrs(named...))); !slices.Equal(got, private) {
		t.Errorf("in a private network %q", got)
	}
	if got := texts(Network{Public: true}.Useful(teller, addrs(named...))); !slices.Equal(got, public) {
		t.Errorf("in the public one %q", got)
	}
	if got := (Network{}).Useful(teller, ports("198.51.100.1", 100)); len(got) != MaxAddrs {
		t.Errorf("%d addresses", len(got))
	}
}

// TestWhereATellerMayLead: nobody leads a peer to what only that peer is to reach.
func TestWhereATellerMayLead(t *testing.T) {
	here := Network{Nets: []netip.Prefix{netip.MustParsePrefix("192.168.7.0/24"), netip.MustParsePrefix("fd00:7::/64")}}
	const local, lan, internet, internet6 = "127.0.0.1", "10.1.2.3", "203.0.113.5", "2001:db8::5"
	for _, c := range []struct {
		teller, to string
		want       bool
	}{
		{local, "127.0.0.1", true},
		{local, "::1", true},
		{lan, "127.0.0.1", false},
		{internet, "127.8.8.8", false},
		{internet6, "::1", false},
		{internet, "::ffff:127.0.0.1", false},
		{"::ffff:127.0.0.1", "127.0.0.1", true},
		{local, "169.254.169.254", false}, // clouds tell secrets there
		{lan, "fe80::1", false},
		{lan, "0.0.0.0", false},
		{lan, "0.1.2.3", false},
		{lan, "::", false},
		{lan, "224.0.0.1", false},
		{lan, "ff02::1", false},
		{lan, "255.255.255.255", false},
		{internet, "198.51.100.1", true},
		{internet6, "2001:db8::1", true},
		{lan, "10.9.9.9", true},
		{lan, "172.16.0.1", true},
		{local, "192.168.1.1", true},
		{internet, "10.1.2.3", false},
		{internet, "100.64.0.1", false},
		{internet6, "fd00:8::1", false},
		{"100.64.0.9", "100.64.0.1", true},
		{internet, "192.168.7.9", true}, // it is this machine's own network
		{internet6, "fd00:7::9", true},
		{"", "127.0.0.1", false}, // through a relay, for example
		{"", "198.51.100.1", true},
	} {
		var teller netip.Addr
		if c.teller != "" {
			teller = netip.MustParseAddr(c.teller)
		}
		if got := here.MayLead(teller, netip.MustParseAddr(c.to)); got != c.want {
			t.Errorf("from %q to %s: %v", c.teller, c.to, got)
		}
	}
}
