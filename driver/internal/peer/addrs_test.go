package peer_test

import (
	"slices"
	"testing"

	"github.com/multiformats/go-multiaddr"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer"
)

func TestUsefulAddressesLeaveOutWhatMeansThisMachineAlone(t *testing.T) {
	for name, c := range map[string]struct{ all, want []string }{
		"others and loopback": {
			[]string{"/ip4/127.0.0.1/tcp/1", "/ip4/198.51.100.7/tcp/1", "/ip6/::1/tcp/1", "/ip4/0.0.0.0/tcp/1"},
			[]string{"/ip4/198.51.100.7/tcp/1"},
		},
		"names":           {[]string{"/ip4/127.0.0.1/tcp/1", "/dns4/a.example.org/tcp/1"}, []string{"/dns4/a.example.org/tcp/1"}},
		"link-local":      {[]string{"/ip6/fe80::1/tcp/1", "/ip6/2001:db8::7/tcp/1"}, []string{"/ip6/2001:db8::7/tcp/1"}},
		"nothing but it":  {[]string{"/ip4/127.0.0.1/tcp/1", "/ip6/::1/tcp/1"}, []string{"/ip4/127.0.0.1/tcp/1", "/ip6/::1/tcp/1"}},
		"nothing":         {nil, nil},
		"order otherwise": {[]string{"/ip4/198.51.100.9/tcp/1", "/ip4/198.51.100.7/tcp/1"}, []string{"/ip4/198.51.100.9/tcp/1", "/ip4/198.51.100.7/tcp/1"}},
	} {
		t.Run(name, func(t *testing.T) {
			var all []multiaddr.Multiaddr
			for _, a := range c.all {
				all = append(all, multiaddr.StringCast(a))
			}
			var got []string
			for _, a := range peer.Useful(all) {
				got = append(got, a.String())
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%v, not %v", got, c.want)
			}
		})
	}
}
