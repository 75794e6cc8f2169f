package dataport

import (
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

func TestTargets(t *testing.T) {
	for name, c := range map[string]struct{ said, seen, want []string }{
		"as said":               {[]string{"/ip4/10.0.0.1/tcp/5", "/dns/a.example/tcp/5"}, []string{"/ip4/10.0.0.2/tcp/1"}, []string{"/ip4/10.0.0.1/tcp/5", "/dns/a.example/tcp/5"}},
		"where it is seen":      {[]string{"/ip4/0.0.0.0/tcp/5"}, []string{"/ip4/10.0.0.2/tcp/1", "/ip6/fd00::1/udp/1/quic-v1"}, []string{"/ip4/10.0.0.2/tcp/5", "/ip6/fd00::1/tcp/5"}},
		"seen first, each once": {[]string{"/ip4/10.0.0.1/tcp/5", "/ip4/10.0.0.2/tcp/5", "/ip4/0.0.0.0/tcp/5"}, []string{"/ip4/10.0.0.2/tcp/1", "/ip4/10.0.0.2/tcp/2"}, []string{"/ip4/10.0.0.2/tcp/5", "/ip4/10.0.0.1/tcp/5"}},
		"seen without a host":   {[]string{"/ip6/::/tcp/5"}, []string{"/p2p-circuit"}, nil},
		"nothing said":          {nil, []string{"/ip4/10.0.0.2/tcp/1"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if got := texts(Targets(addrs(c.said...), addrs(c.seen...))); !slices.Equal(got, c.want) {
				t.Errorf("%q", got)
			}
		})
	}
}

// TestAddrs: an unspecified address is followed by the hosts of other TCP addresses.
func TestAddrs(t *testing.T) {
	p := open(t, config(t, "/ip4/0.0.0.0/tcp/0", "/ip4/127.0.0.1/tcp/0"))
	listening := at(t, p)
	port, err := listening[0].ValueForProtocol(multiaddr.P_TCP)
	if err != nil {
		t.Fatal(err)
	}
	got := texts(p.Addrs(addrs("/ip4/10.0.0.2/tcp/1", "/ip4/10.0.0.2/tcp/2/ws", "/ip4/10.0.0.3/udp/1/quic-v1", "/dns/a.example/tcp/1")))
	want := []string{"/ip4/0.0.0.0/tcp/" + port, "/ip4/10.0.0.2/tcp/" + port, "/dns/a.example/tcp/" + port, listening[1].String()}
	if !slices.Equal(got, want) {
		t.Errorf("%q, not %q", got, want)
	}
}

func TestIsAddr(t *testing.T) {
	for a, want := range map[string]bool{
		"/ip4/127.0.0.1/tcp/0": true, "/ip6/::/tcp/5": true, "/dns/a.example/tcp/5": true,
		"/ip4/127.0.0.1": false, "/ip4/127.0.0.1/udp/5": false, "/ip4/127.0.0.1/tcp/5/ws": false,
	} {
		if got := IsAddr(multiaddr.StringCast(a)); got != want {
			t.Errorf("%s: %v", a, got)
		}
	}
}
