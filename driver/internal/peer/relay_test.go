package peer_test

import (
	"io"
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p/core/network"
	libpeer "github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer"
)

// relays lets a station relay.
func relays(c *peer.Config) { c.Relay = true }

// dialsOnly is a station that nobody can dial.
func dialsOnly(c *peer.Config) { c.Listen, c.DataListen = nil, nil }

// answers has a station answer a stream with what it is sent.
func answers(s *station) {
	s.Handle(echo, func(c network.Stream) { _, _ = io.Copy(c, c); _ = c.Close() })
}

// asks has a station send another one something, and wait until it comes back.
func asks(t *testing.T, from, to *station) {
	t.Helper()
	c, err := from.Dial(t.Context(), to.id(t), echo)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	want := strings.Repeat("so it is. ", 100_000)
	go func() { _, _ = io.WriteString(c, want) }()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != want {
		t.Errorf("%d bytes: %v", len(got), err)
	}
}

// byWayOf is the station by way of which two are connected; "" when they are not, or straight.
func byWayOf(t *testing.T, from, to *station) libpeer.ID {
	t.Helper()
	for _, l := range from.Links() {
		if l.ID == to.id(t) {
			return l.Relay
		}
	}
	return ""
}

// TestMembersThatNobodyCanDial meet by way of one that both can, with one protector key and while it is changed, and again by
// way of another one when that is gone.
func TestMembersThatNobodyCanDial(t *testing.T) {
	t.Parallel()
	for name, keys := range map[string][2]func(*peer.Config){
		"one key":   {func(*peer.Config) {}, func(*peer.Config) {}},
		"two keys":  {func(c *peer.Config) { c.NextPSK = nextKey }, func(c *peer.Config) { c.NextPSK = nextKey }},
		"in change": {func(c *peer.Config) { c.NextPSK = nextKey }, func(*peer.Config) {}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first, second, a, b := newStation(t), newStation(t), newStation(t), newStation(t)
			first.start(t, both(relays, keys[0]))
			second.start(t, both(relays, keys[0], via(first.info(t, stripped(t, first)...))))
			boot := via(first.info(t, stripped(t, first)...), second.info(t, stripped(t, second)...))
			a.start(t, both(dialsOnly, keys[0], boot))
			b.start(t, both(dialsOnly, keys[1], boot))
			answers(b)
			meet(t, first, second, a, b)
			if !a.Relayed(b.id(t)) || !b.Relayed(a.id(t)) || a.Relayed(first.id(t)) {
				t.Error("Relayed")
			}
			if by := byWayOf(t, a, b); by != first.id(t) && by != second.id(t) {
				t.Errorf("by way of %q", by)
			}
			asks(t, a, b)
			if n, m := relayedBy(first, second); n == 0 || m < 1_000_000 {
				t.Errorf("%d circuits, %d bytes", n, m)
			}
			if err := a.Publish(t.Context(), []byte(name)); err != nil {
				t.Fatal(err)
			}
			eventually(t, "it hears", func() bool { return b.got(name) })

			gone, left := first, second
			if byWayOf(t, a, b) == second.id(t) {
				gone, left = second, first
			}
			if err := gone.Close(); err != nil {
				t.Error(err)
			}
			eventually(t, "the other one relays", func() bool { return byWayOf(t, a, b) == left.id(t) && byWayOf(t, b, a) == left.id(t) })
			meet(t, left, a, b)
			asks(t, a, b)
		})
	}
}

func relayedBy(all ...*station) (circuits, bytes int64) {
	for _, s := range all {
		n, m := s.RelayedHere()
		circuits, bytes = circuits+n, bytes+m
	}
	return circuits, bytes
}

// TestOnlyTrustedMembersRelay, and only where the configuration lets them, and only for trusted members.
func TestOnlyTrustedMembersRelay(t *testing.T) {
	t.Parallel()
	trusting := func(all ...*station) func(*peer.Config) {
		return func(c *peer.Config) { c.Trusted = ids(t, all...) }
	}
	for name, of := range map[string]struct {
		relay func(r, a, b *station) func(*peer.Config)
		ends  func(r, a, b *station) func(*peer.Config)
	}{
		"it does not relay": {
			func(_, _, _ *station) func(*peer.Config) { return func(*peer.Config) {} },
			func(_, _, _ *station) func(*peer.Config) { return func(*peer.Config) {} },
		},
		"it is not trusted": {
			func(_, _, _ *station) func(*peer.Config) { return relays },
			func(_, a, b *station) func(*peer.Config) { return trusting(a, b) },
		},
		"one of them is not trusted": {
			func(r, a, _ *station) func(*peer.Config) { return both(relays, trusting(r, a)) },
			func(_, _, _ *station) func(*peer.Config) { return func(*peer.Config) {} },
		},
		"one of them does not allow the other": {
			func(_, _, _ *station) func(*peer.Config) { return relays },
			func(r, a, _ *station) func(*peer.Config) { return func(c *peer.Config) { c.Allowed = ids(t, r, a) } },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, a, b := newStation(t), newStation(t), newStation(t)
			r.start(t, of.relay(r, a, b))
			boot := via(r.info(t, stripped(t, r)...))
			nobody := func(c *peer.Config) { c.Announce = []multiaddr.Multiaddr{loopback(freePort(t))} }
			a.start(t, both(dialsOnly, nobody, boot, of.ends(r, a, b)))
			b.start(t, both(dialsOnly, nobody, boot, of.ends(r, a, b)))
			meet(t, r, a)
			meet(t, r, b)
			if name != "one of them does not allow the other" {
				eventually(t, "they have tried", func() bool { return a.failedDials()+b.failedDials() > 0 })
			}
			if a.IsMember(b.id(t)) || b.IsMember(a.id(t)) || byWayOf(t, a, b) != "" {
				t.Error("they have met")
			}
		})
	}
}

// TestAStraightWayIsTaken when one comes: the address at which a member that was reached by way of another one now listens.
func TestAStraightWayIsTaken(t *testing.T) {
	t.Parallel()
	r, a, b := newStation(t), newStation(t), newStation(t)
	r.start(t, relays)
	boot := via(r.info(t, stripped(t, r)...))
	port := freePort(t)
	a.start(t, both(boot, func(c *peer.Config) {
		c.Listen, c.Announce = nil, []multiaddr.Multiaddr{loopback(port)} // nobody listens there yet
	}))
	b.start(t, both(dialsOnly, boot))
	answers(a)
	meet(t, r, a, b)
	if byWayOf(t, b, a) != r.id(t) {
		t.Fatal("they are connected straight")
	}
	if err := a.ListenAlso(loopback(port)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is dialed straight", func() bool { return !b.Relayed(a.id(t)) && byWayOf(t, b, a) == "" })
	asks(t, b, a)
	eventually(t, "both see it", func() bool { return !a.Relayed(b.id(t)) })
	eventually(t, "nothing is relayed any more", func() bool { n, _ := r.RelayedHere(); return n == 0 })
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	meet(t, a, b)
	eventually(t, "it hears", func() bool { // a message that comes while they say what they are subscribed to is lost
		if err := a.Publish(t.Context(), []byte("without it")); err != nil {
			t.Error(err)
		}
		return b.got("without it")
	})
}
