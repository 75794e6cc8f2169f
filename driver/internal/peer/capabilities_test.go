package peer_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	libpeer "github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer"
)

// TestAFeatureWaitsForAllMembers has a member of the release before, which says no
// capabilities, come, go and be upgraded.
func TestAFeatureWaitsForAllMembers(t *testing.T) {
	a, b, old := newStation(t), newStation(t), newStation(t)
	port := freePort(t)
	of := func(capabilities ...string) func(*peer.Config) {
		return func(c *peer.Config) {
			c.Capabilities = capabilities
			c.Bootstrappers = []libpeer.AddrInfo{a.info(t, loopback(port))}
		}
	}
	startA := func(capabilities ...string) {
		a.start(t, func(c *peer.Config) {
			of(capabilities...)(c)
			c.Listen = []multiaddr.Multiaddr{loopback(port)}
		})
	}
	startA("x", "y")
	if !a.AllUnderstand("x") {
		t.Error("nobody is there who does not understand it")
	}
	lone := newStation(t)
	lone.start(t, func(c *peer.Config) {
		c.Capabilities, c.Bootstrappers = []string{"x"}, []libpeer.AddrInfo{b.info(t, loopback(freePort(t)))}
	})
	if lone.AllUnderstand("x") {
		t.Error("it does not know yet whom it joins")
	}
	if err := lone.Close(); err != nil {
		t.Fatal(err)
	}
	b.start(t, of("z", "x"))
	meet(t, a, b)
	eventually(t, "both understand x", func() bool { return a.AllUnderstand("x") && b.AllUnderstand("x") })
	if a.AllUnderstand("y") || b.AllUnderstand("z") {
		t.Error("one of them does not say so")
	}
	old.start(t, of())
	meet(t, a, b, old)
	if a.AllUnderstand("x") || b.AllUnderstand("x") {
		t.Error("a member of the release before says nothing of x")
	}
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	for _, s := range []*station{a, b} {
		eventually(t, "it is away", func() bool { return !s.IsMember(old.id(t)) })
	}
	restart(t, a, func() { startA("x", "y") })
	if a.AllUnderstand("x") {
		t.Error("the member that is away may come back as it was")
	}
	old.start(t, of("x"))
	meet(t, a, b, old)
	eventually(t, "all were upgraded", func() bool { return a.AllUnderstand("x") && b.AllUnderstand("x") })
	for _, s := range []*station{b, old} {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	restart(t, a, func() { startA("x", "y") })
	if !a.AllUnderstand("x") || a.AllUnderstand("z") {
		t.Errorf("what members said is not remembered: %+v", a.Members())
	}
}

func restart(t *testing.T, s *station, start func()) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	start()
}

func TestCapabilitiesAreBounded(t *testing.T) {
	var many []string
	for i := range 1000 {
		many = append(many, fmt.Sprint(i))
	}
	if got := peer.ReadCapabilities(many); !slices.Equal(got, many[:64]) {
		t.Errorf("%d of 1000 are kept: %v", len(got), got)
	}
	if got := peer.ReadCapabilities([]string{"", strings.Repeat("x", 65), "a", "a", strings.Repeat("y", 64)}); !slices.Equal(got, []string{"a", strings.Repeat("y", 64)}) {
		t.Errorf("kept: %q", got)
	}
}

func TestNames(t *testing.T) {
	for name, valid := range map[string]bool{
		"": true, "registry-a.example.org": true, "Büro 3": true, strings.Repeat("x", 64): true,
		strings.Repeat("x", 65): false, "a\nb": false, "a\x1b[2J": false, "\xff": false, "a\u202eb": false,
	} {
		if peer.ValidName(name) != valid {
			t.Errorf("%q: not %v", name, valid)
		}
	}
}
