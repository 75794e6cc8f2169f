package peer

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// seenAt is a connection that was dialed by mappings, and where the other end sees it.
func seenAt(t *testing.T, m *mappings, by peer.ID) multiaddr.Multiaddr {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	at, err := manet.FromNetAddr(l.Addr())
	if err != nil {
		t.Fatal(err)
	}
	c, err := dialBy(t, m, at)
	if err != nil {
		t.Fatal(err)
	}
	other, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = c.Close(), other.Close() })
	local, err := manet.FromNetAddr(c.LocalAddr())
	if err != nil {
		t.Fatal(err)
	}
	seen, err := manet.FromNetAddr(other.RemoteAddr())
	if err != nil {
		t.Fatal(err)
	}
	m.note(by, local, seen)
	return seen
}

// dialBy dials for a minute at most.
func dialBy(t *testing.T, m *mappings, at multiaddr.Multiaddr) (net.Conn, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	d, err := m.dialer(at)
	network, address, err2 := manet.DialArgs(at)
	if err := errors.Join(err, err2); err != nil {
		return nil, err
	}
	return d.DialContext(ctx, network, address)
}

// TestADialThatIsRefused is begun again where a member was to be met, and leaves by the port that the member was told, beside
// the connection that has it already. Any other ends at once.
func TestADialThatIsRefused(t *testing.T) {
	t.Parallel()
	m := newMappings()
	seen := seenAt(t, m, "third")
	if told := m.tell(func(peer.ID) bool { return true }); len(told) != 1 || !told[0].Equal(seen) {
		t.Fatalf("it says %s, and is seen at %s", told, seen)
	}
	at := loopbackAt(t)
	if c, err := dialBy(t, m, at); err == nil {
		t.Fatalf("%s answers", c.RemoteAddr())
	}
	m.meet("a", []multiaddr.Multiaddr{at}, time.Now())
	dialed := make(chan error, 1)
	go func() {
		c, err := dialBy(t, m, at)
		if err == nil {
			err = c.Close()
		}
		dialed <- err
	}()
	_, address, err := manet.DialArgs(at)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if from, err := manet.FromNetAddr(c.RemoteAddr()); err != nil || !from.Equal(seen) {
		t.Errorf("it comes from %s, not %s: %v", from, seen, err)
	}
	if err := <-dialed; err != nil {
		t.Error(err)
	}
}

// loopbackAt is an address where nobody listens.
func loopbackAt(t *testing.T) multiaddr.Multiaddr {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at, err := manet.FromNetAddr(l.Addr())
	if err := errors.Join(err, l.Close()); err != nil {
		t.Fatal(err)
	}
	return at
}

// TestWhoIsMet: only who is trusted says where this peer is seen, and a member is met where it says, for a while, at a few
// addresses of hosts.
func TestWhoIsMet(t *testing.T) {
	t.Parallel()
	m, now := newMappings(), time.Now()
	seen := seenAt(t, m, "a stranger")
	if told := m.tell(func(peer.ID) bool { return false }); told != nil {
		t.Errorf("a stranger had it tell %s", told)
	}
	if told := m.tell(func(id peer.ID) bool { return id == "a stranger" }); len(told) != 1 || !told[0].Equal(seen) {
		t.Errorf("it tells %s", told)
	}
	m.lost("a stranger")
	if told := m.tell(func(peer.ID) bool { return true }); len(told) != 1 {
		t.Errorf("it tells %s", told)
	}
	var said []multiaddr.Multiaddr
	for _, s := range []string{"/dns4/example.org/tcp/1", "/ip4/198.18.0.1/tcp/1/p2p-circuit", "/ip4/198.18.0.1/tcp/1", "/ip4/198.18.0.1/tcp/2", "/ip4/198.18.0.1/tcp/3"} {
		said = append(said, multiaddr.StringCast(s))
	}
	if met := m.meet("a", said, now); len(met) != maxMeeting || !met[0].Equal(said[2]) {
		t.Errorf("it dials %s", met)
	}
	for i, want := range map[int]bool{2: true, 4: false} {
		at := said[i]
		if m.meets("a", at, now) != want || m.meets("b", at, now) || m.meets("a", at, now.Add(2*meetingFor)) {
			t.Errorf("%s", at)
		}
	}
}
