package peer_test

import (
	"context"
	"io"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p/core/network"
	libpeer "github.com/libp2p/go-libp2p/core/peer"
	"github.com/sirupsen/logrus"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/limit"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer"
)

func ids(t *testing.T, all ...*station) []libpeer.ID {
	t.Helper()
	list := []libpeer.ID{}
	for _, s := range all {
		list = append(list, s.id(t))
	}
	return list
}

func allowing(t *testing.T, all ...*station) func(*peer.Config) {
	return func(c *peer.Config) { c.Allowed = ids(t, all...) }
}

// trouble is why a station has not met its bootstrappers.
func (s *station) trouble() (all string) {
	for _, b := range s.Bootstrappers() {
		all += b.Trouble
	}
	return all
}

// TestOnlyAllowedPeersAreConnected: whoever dials, whether it is named by a member, and whether it is
// configured as a bootstrapper.
func TestOnlyAllowedPeersAreConnected(t *testing.T) {
	t.Parallel()
	a, b, outside := newStation(t), newStation(t), newStation(t)
	const data = "/ip4/127.0.0.1/tcp/0"
	a.start(t, both(withData(data), allowing(t, b)))
	boot := a.info(t, stripped(t, a)...)
	b.start(t, both(withData(data), via(boot)))
	outside.start(t, both(withData(data), via(boot, b.info(t, stripped(t, b)...))))
	meet(t, a, b)
	meet(t, b, outside) // which names each to the other

	eventually(t, "it is refused, and counted", func() bool { return refusals(a, limit.Unlisted, limit.Connected) > 2 })
	eventually(t, "it is told why", func() bool { return strings.Contains(outside.trouble(), "allowedpeers") })
	if a.Trusts(outside.id(t)) || !a.Trusts(b.id(t)) || !a.Trusts(a.id(t)) {
		t.Error("Trusts")
	}
	if ms := a.Members(); len(ms) != 1 || ms[0].ID != b.id(t) {
		t.Errorf("members: %+v", ms)
	}
	if len(outside.Members()) != 1 {
		t.Errorf("members of the one outside: %+v", outside.Members())
	}
	said := slices.DeleteFunc(a.logged(logrus.InfoLevel), func(s string) bool { return !strings.Contains(s, "allowedpeers does not name") })
	if len(said) != 1 {
		t.Errorf("it is said %d times: %q", len(said), said)
	}
}

// TestAllowedBootstrappersOnly are dialed.
func TestAllowedBootstrappersOnly(t *testing.T) {
	t.Parallel()
	a, b := newStation(t), newStation(t)
	a.start(t, nil)
	b.start(t, both(allowing(t, b), via(a.info(t, stripped(t, a)...))))
	if trouble := b.trouble(); !strings.Contains(trouble, "allowedpeers") {
		t.Error(trouble)
	}
	b.SetLists(peer.Lists{Allowed: ids(t, a)})
	meet(t, a, b)
}

// TestAllowedSeedsOnly: who answers at an address without a peer ID is asked who it is, and no more.
func TestAllowedSeedsOnly(t *testing.T) {
	t.Parallel()
	a, b := newStation(t), newStation(t)
	a.start(t, nil)
	b.start(t, func(c *peer.Config) { c.Seeds, c.Allowed = stripped(t, a), ids(t, b) })
	eventually(t, "it says why", func() bool {
		s := b.Seeds()
		return strings.Contains(s[0].Trouble, "allowedpeers") && strings.Contains(s[0].Trouble, a.id(t).String()) && !s[0].Sole
	})
	if len(a.Members())+len(b.Members()) > 0 {
		t.Error("they have met")
	}
	b.SetLists(peer.Lists{})
	meet(t, a, b)
}

// holds opens a stream and a data connection to a station that echoes, and returns what waits for both
// to end.
func holds(t *testing.T, b, a *station) (ended func() bool) {
	t.Helper()
	id := a.id(t)
	eventually(t, "the data port is told", func() bool { return b.HasData(id) })
	over, err := b.DialData(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := b.Dial(t.Context(), id, echo)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []net.Conn{over, stream} { // the other end knows of it then
		if _, err := c.Write([]byte("ping")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, make([]byte, 4)); err != nil {
			t.Fatal(err)
		}
	}
	done := make(chan struct{}, 2)
	for _, c := range []net.Conn{over, stream} {
		go func() {
			_, _ = io.Copy(io.Discard, c)
			_ = c.Close()
			done <- struct{}{}
		}()
	}
	return func() bool { return len(done) == 2 }
}

func answersEcho(s *station) {
	s.Handle(echo, func(s network.Stream) {
		_, _ = io.Copy(s, s)
		_ = s.Close()
	})
}

// TestWhoIsNoLongerAllowed loses what it has open, stays out while it dials again and again, and is a
// member again when it is allowed again.
func TestWhoIsNoLongerAllowed(t *testing.T) {
	t.Parallel()
	a, b := newStation(t), newStation(t)
	const data = "/ip4/127.0.0.1/tcp/0"
	a.start(t, both(withData(data), allowing(t, b)))
	echoes(t, a)
	answersEcho(a)
	b.start(t, both(withData(data), via(a.info(t, stripped(t, a)...))))
	meet(t, a, b)
	ended := holds(t, b, a)

	a.SetLists(peer.Lists{Allowed: ids(t, a)})
	if a.IsMember(b.id(t)) || a.Admits(b.id(t).String()) || a.Rank(b.id(t)) >= limit.Member {
		t.Error("it is a member")
	}
	if _, err := a.Open(t.Context(), b.id(t), echo); err == nil {
		t.Error("a stream to it is opened")
	}
	eventually(t, "its connections end", ended)
	before := refusals(a, limit.Unlisted, limit.Connected)
	if err := a.AdmitData(t.Context(), b.id(t)); err == nil || refusals(a, limit.Unlisted, limit.Connected) == before {
		t.Errorf("at the data port: %v", err)
	}
	eventually(t, "it dials again, and is refused", func() bool { return refusals(a, limit.Unlisted, limit.Connected) > 1 })
	if ms := a.Members(); len(ms) != 1 || ms[0].Connected {
		t.Errorf("%+v", ms)
	}
	a.SetLists(peer.Lists{Trusted: ids(t, b), Allowed: ids(t, a)}) // who is trusted is allowed
	meet(t, a, b)
}

// TestWhoIsNoLongerTrusted loses what it has begun, and is an untrusted member until it is trusted
// again, when it is heard at once.
func TestWhoIsNoLongerTrusted(t *testing.T) {
	t.Parallel()
	a, b := newStation(t), newStation(t)
	const data = "/ip4/127.0.0.1/tcp/0"
	a.start(t, both(withData(data), beats("", 1, always(1, false)), func(c *peer.Config) { c.Trusted = ids(t, a, b) }))
	echoes(t, a)
	answersEcho(a)
	b.start(t, both(withData(data), via(a.info(t, stripped(t, a)...)), func(c *peer.Config) { c.Trusted = ids(t, a, b) }))
	meet(t, a, b)
	id := b.id(t)
	ended := holds(t, b, a)
	eventually(t, "it has said what it trusts", func() bool { m, _ := b.saysOf(t, a); return m.Greeted })
	if m, _ := b.saysOf(t, a); m.TrustDiffers {
		t.Error("their lists differ")
	}

	a.SetLists(peer.Lists{Trusted: ids(t, a)})
	if a.Rank(id) > limit.Member || a.Trusts(id) {
		t.Errorf("it has rank %s", a.Rank(id))
	}
	eventually(t, "what it had begun ends", ended)
	meet(t, a, b)
	if r := a.Rank(id); r != limit.Member {
		t.Errorf("it has rank %s", r)
	}
	eventually(t, "it hears of the list", func() bool { m, _ := b.saysOf(t, a); return m.TrustDiffers })
	if err := b.Publish(t.Context(), []byte("untrusted")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is ignored, and the log says so", func() bool {
		return slices.ContainsFunc(a.logged(logrus.InfoLevel), func(s string) bool { return strings.Contains(s, "are ignored") })
	})

	a.mu.Lock()
	joined := len(a.joined)
	a.mu.Unlock()
	a.SetLists(peer.Lists{Trusted: ids(t, a, b)})
	if r := a.Rank(id); r != limit.Trusted {
		t.Errorf("it has rank %s", r)
	}
	a.mu.Lock()
	if len(a.joined) != joined+1 {
		t.Error("it does not count as one that has just appeared")
	}
	a.mu.Unlock()
	eventually(t, "it hears of the list, in a heartbeat", func() bool { m, _ := b.saysOf(t, a); return !m.TrustDiffers })
	eventually(t, "a message of its is heard", func() bool {
		if err := b.Publish(context.Background(), []byte("trusted")); err != nil {
			t.Fatal(err)
		}
		return a.got("trusted")
	})
	if a.got("untrusted") {
		t.Error("what it said before is heard")
	}
}

// TestAllowedPeersNeedAProtectorKey.
func TestAllowedPeersNeedAProtectorKey(t *testing.T) {
	t.Parallel()
	s := newStation(t)
	if err := s.make(t, func(c *peer.Config) { c.PSK, c.Allowed = nil, ids(t, s) }); err == nil {
		t.Error("it is let be")
	}
}
