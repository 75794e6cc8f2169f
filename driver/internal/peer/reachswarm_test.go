package peer_test

import (
	"errors"
	"testing"

	libpeer "github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer"
)

// TestAMemberDialsBack says which ports it reaches: the peer's, and not the data port, which is
// announced at an address where nothing listens. Whoever asks again and again is refused.
func TestAMemberDialsBack(t *testing.T) {
	a, b := newStation(t), newStation(t)
	a.start(t, withData("/ip4/127.0.0.1/tcp/0"))
	shut := loopback(freePort(t))
	b.start(t, both(withData("/ip4/127.0.0.1/tcp/0"), via(a.info(t, stripped(t, a)...)), func(c *peer.Config) { c.DataAnnounce = []multiaddr.Multiaddr{shut} }))
	echoes(t, a)
	meet(t, a, b)
	eventually(t, "its data port is told", func() bool { return a.HasData(b.id(t)) && b.HasData(a.id(t)) })
	r, err := b.AskToDial(t.Context(), a.id(t))
	if err != nil {
		t.Fatal(err)
	}
	got := map[bool]map[peer.Outcome]int{false: {}, true: {}}
	for _, tried := range r.Tried {
		got[tried.Data][tried.Outcome]++
	}
	if got[false][peer.Reached] == 0 || len(got[false]) != 1 || got[true][peer.Closed] != 1 || len(got[true]) != 1 {
		t.Errorf("%+v", r)
	}
	if is, err := multiaddr.NewMultiaddr(r.Seen); err != nil || !manet.IsIPLoopback(is) {
		t.Errorf("seen at %q", r.Seen)
	}
	if got := a.TryData(t.Context(), b.id(t)); got != peer.Closed {
		t.Errorf("its data port is %s", got)
	}
	if got := b.TryData(t.Context(), a.id(t)); got != peer.Reached {
		t.Errorf("the other's data port is %s", got)
	}
	eventually(t, "it is refused", func() bool {
		_, err := b.AskToDial(t.Context(), a.id(t))
		return errors.Is(err, peer.ErrRefused)
	})
	if !a.IsMember(b.id(t)) || !b.IsMember(a.id(t)) {
		t.Error("the dials have cost a connection")
	}
}

// TestOnlyTrustedMembersAreDialedBack: a member that is not trusted is told so.
func TestOnlyTrustedMembersAreDialedBack(t *testing.T) {
	a, b := newStation(t), newStation(t)
	a.start(t, func(c *peer.Config) { c.Trusted = []libpeer.ID{a.id(t)} })
	b.start(t, via(a.info(t, stripped(t, a)...)))
	meet(t, a, b)
	if r, err := b.AskToDial(t.Context(), a.id(t)); !errors.Is(err, peer.ErrRefused) {
		t.Errorf("%+v, %v", r, err)
	}
}
