package peer

import (
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/limit"
)

// TestRanksAtTheDoor: who is on its way to the topic has the rank that it will have, if it has shown
// before who it is, or is in the configuration.
func TestRanksAtTheDoor(t *testing.T) {
	for name, trusted := range map[string][]peer.ID{"all are trusted": nil, "some are": {"trusted", "on its way"}} {
		t.Run(name, func(t *testing.T) {
			p := &Peer{roster: newRoster("self")}
			p.roster.lists.set("self", Lists{Trusted: trusted})
			for _, id := range []peer.ID{"trusted", "member"} {
				p.roster.subscribed(id, true, true)
			}
			comesAndGoes(p.roster, "was of use", far, true)
			comesAndGoes(p.roster, "was not", far, false)
			p.roster.keep(addrInfo("bootstrapper"), true)
			p.roster.heard(far, "named", tcpAt("198.51.100.1/tcp/1"), nil, nil)
			want := map[peer.ID]limit.Rank{
				"trusted": limit.Trusted, "member": limit.Member, "was of use": limit.Member, "was not": limit.Connected,
				"bootstrapper": limit.Member, "named": limit.Connected, "nobody": limit.Connected, "on its way": limit.Trusted,
			}
			if trusted == nil {
				want["member"], want["on its way"] = limit.Trusted, limit.Connected
			}
			for id, rank := range want {
				if got := p.rankAtTheDoor(id); got != rank {
					t.Errorf("%s: %s, not %s", id, got, rank)
				}
			}
		})
	}
}
