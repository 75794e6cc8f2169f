package peer_test

import (
	"slices"
	"testing"
	"time"

	libpeer "github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer"
)

// TestAMemberThatWasIntroduced: it counts as one that is away, over a restart, until the list says that it
// was forgotten; each new version of what the list says is a sign of life.
func TestAMemberThatWasIntroduced(t *testing.T) {
	t.Parallel()
	a, b := newStation(t), newStation(t)
	a.start(t, nil)
	of := peer.Introduction{
		ID: b.id(t), Name: "attic", Capabilities: []string{"x"}, Version: "1",
		First: time.Now().Add(-48 * time.Hour), Heard: time.Now().Add(-time.Hour).Truncate(time.Second),
	}
	a.Introduce(of)
	check := func(when string) peer.Member {
		t.Helper()
		m, _ := a.saysOf(t, b)
		if m.Name != "attic" || m.Connected || !m.Confirmed || !slices.Equal(m.Capabilities, of.Capabilities) || !m.First.Equal(of.First) || !m.Since.Equal(of.Heard) || m.Unheard == 0 {
			t.Errorf("%s: %+v", when, m)
		}
		return m
	}
	check("introduced")
	if a.AllUnderstand("y") || !a.AllUnderstand("x") {
		t.Error("what it understands does not count")
	}
	restart(t, a, func() { a.start(t, nil) })
	m := check("after a restart")
	if again := check("a moment later"); again.Unheard <= m.Unheard {
		t.Errorf("it was heard meanwhile: %v, then %v", m.Unheard, again.Unheard)
	}
	a.Introduce(of)
	before := check("the same again")
	of.Version = "2"
	a.Introduce(of)
	if after := check("a sign of life"); after.Away-after.Unheard <= before.Away-before.Unheard {
		t.Errorf("%v, away for %v; then %v, away for %v", before.Unheard, before.Away, after.Unheard, after.Away)
	}

	a.Introduce(peer.Introduction{ID: a.id(t), Version: "1"})
	if known := a.Known(); len(known) != 1 {
		t.Errorf("it is a member of itself: %v", known)
	}
	if err := a.Dismiss(t.Context(), b.id(t), "3"); err != nil || len(a.Members()) != 0 {
		t.Errorf("dismissed: %v, %v", err, a.Members())
	}
	restart(t, a, func() { a.start(t, nil) })
	if len(a.Members()) != 0 {
		t.Error("it is back after a restart")
	}
}

// TestTheDismissedThatComesBack is a member for good: that it was forgotten counts once.
func TestTheDismissedThatComesBack(t *testing.T) {
	t.Parallel()
	a, b := newStation(t), newStation(t)
	port := freePort(t)
	a.start(t, func(c *peer.Config) { c.Listen = []multiaddr.Multiaddr{loopback(port)} })
	b.start(t, via(a.info(t, loopback(port))))
	meet(t, a, b)
	dismiss := func() {
		t.Helper()
		if err := a.Dismiss(t.Context(), b.id(t), "1"); err != nil {
			t.Error(err)
		}
	}
	dismiss()
	if !a.IsMember(b.id(t)) {
		t.Error("a member that is connected was forgotten")
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is away", func() bool { return !a.IsMember(b.id(t)) })
	dismiss()
	if len(a.Members()) != 1 {
		t.Error("what was said while it was here counts once it is away")
	}
	if err := a.Dismiss(t.Context(), b.id(t), "2"); err != nil || len(a.Members()) != 0 {
		t.Errorf("it was forgotten anew: %v, %v", err, a.Members())
	}
}

// TestWhoIsNotTrustedIsNotIntroduced: nobody waits for it.
func TestWhoIsNotTrustedIsNotIntroduced(t *testing.T) {
	t.Parallel()
	a, b := newStation(t), newStation(t)
	a.start(t, func(c *peer.Config) { c.Lists = peer.Lists{Trusted: []libpeer.ID{a.id(t)}} })
	a.Introduce(peer.Introduction{ID: b.id(t), Heard: time.Now(), Version: "1"})
	if len(a.Members()) != 0 {
		t.Errorf("%+v", a.Members())
	}
}
