package peer_test

import (
	"testing"

	libpeer "github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/limit"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer"
)

func TestRanks(t *testing.T) {
	a, trusted, member, other, stranger := newStation(t), newStation(t), newStation(t), newStation(t), newStation(t)
	a.start(t, func(c *peer.Config) { c.Trusted = []libpeer.ID{a.id(t), trusted.id(t)} })
	boot := a.info(t, stripped(t, a)...)
	trusted.start(t, via(boot))
	member.start(t, via(boot))
	other.start(t, func(c *peer.Config) { c.Topic, c.Bootstrappers = "of others", []libpeer.AddrInfo{boot} })
	for s, want := range map[*station]limit.Rank{
		trusted: limit.Trusted, member: limit.Member, other: limit.Connected, stranger: limit.Stranger,
	} {
		eventually(t, want.String(), func() bool { return a.Rank(s.id(t)) == want })
		if from := a.Source(s.id(t)); from.Rank != want || from.Address.IsValid() != (s != stranger) {
			t.Errorf("%s: it comes from %v", want, from)
		}
	}
	id := a.id(t)
	eventually(t, "where everybody is trusted, all members are", func() bool { return member.Rank(id) == limit.Trusted })
}
