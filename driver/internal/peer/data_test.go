package peer_test

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	libpeer "github.com/libp2p/go-libp2p/core/peer"
	libp2ptls "github.com/libp2p/go-libp2p/p2p/security/tls"
	"github.com/multiformats/go-multiaddr"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer"
)

func withData(addrs ...string) func(*peer.Config) {
	return func(c *peer.Config) {
		for _, a := range addrs {
			c.DataListen = append(c.DataListen, multiaddr.StringCast(a))
		}
	}
}

func both(changes ...func(*peer.Config)) func(*peer.Config) {
	return func(c *peer.Config) {
		for _, f := range changes {
			f(c)
		}
	}
}

// echoes answers on the data port until it is closed.
func echoes(t *testing.T, s *station) net.Listener {
	t.Helper()
	l := s.ListenData()
	if l == nil {
		t.Fatal("no data port")
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.WriteString(c, c.RemoteAddr().String()+"\n")
				_, _ = io.Copy(c, c)
				_ = c.Close()
			}()
		}
	}()
	return l
}

func TestDataPortBetweenMembers(t *testing.T) {
	for name, listen := range map[string]string{"loopback": "/ip4/127.0.0.1/tcp/0", "wherever it is seen": "/ip4/0.0.0.0/tcp/0"} {
		t.Run(name, func(t *testing.T) {
			a, b := newStation(t), newStation(t)
			a.start(t, withData(listen))
			b.start(t, both(withData(listen), via(a.info(t, stripped(t, a)...))))
			echoes(t, a)
			meet(t, a, b)
			id := a.id(t)
			eventually(t, "the data port is told", func() bool { return b.HasData(id) })
			c, err := b.DialData(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			want := b.id(t).String() + "\n"
			got := make([]byte, len(want))
			if _, err := io.ReadFull(c, got); err != nil || string(got) != want || c.RemoteAddr().String() != id.String() {
				t.Errorf("%q %v, from %s", got, err, c.RemoteAddr())
			}
			if !a.Admits(b.id(t).String()) || a.Admits(id.String()) || a.Admits("127.0.0.1:1") {
				t.Error("Admits")
			}
		})
	}
}

func TestNoDataPort(t *testing.T) {
	a, b := newStation(t), newStation(t)
	a.start(t, nil)
	b.start(t, both(withData("/ip4/127.0.0.1/tcp/0"), via(a.info(t, stripped(t, a)...))))
	meet(t, a, b)
	if a.ListenData() != nil {
		t.Error("there is a data port")
	}
	if _, err := b.DialData(t.Context(), a.id(t)); !errors.Is(err, peer.ErrNoDataPort) {
		t.Error(err)
	}
	if _, err := a.DialData(t.Context(), b.id(t)); !errors.Is(err, peer.ErrNoDataPort) {
		t.Error("dialed without a data port of its own:", err)
	}
	if _, err := b.DialData(t.Context(), b.id(t)); !errors.Is(err, peer.ErrNotMember) {
		t.Error(err)
	}
}

func TestAnotherPeerAtTheDataPort(t *testing.T) {
	a, b, c := newStation(t), newStation(t), newStation(t)
	a.start(t, withData("/ip4/127.0.0.1/tcp/0"))
	boot := via(a.info(t, stripped(t, a)...))
	al := echoes(t, a)
	// c announces a's data port as its own.
	c.start(t, both(boot, withData("/ip4/127.0.0.1/tcp/0"), func(cfg *peer.Config) {
		cfg.DataAnnounce = []multiaddr.Multiaddr{loopback(al.Addr().(*net.TCPAddr).Port)}
	}))
	b.start(t, both(boot, withData("/ip4/127.0.0.1/tcp/0")))
	meet(t, a, b, c)
	id := c.id(t)
	eventually(t, "the data port is told", func() bool { return b.HasData(id) })
	if conn, err := b.DialData(t.Context(), id); err == nil || !strings.Contains(err.Error(), "peer id mismatch") {
		t.Error(conn, err)
	}
}

// TestADataPortElsewhere: a member that was of no use yet has nobody dial another host in its name.
func TestADataPortElsewhere(t *testing.T) {
	a, b := newStation(t), newStation(t)
	a.start(t, withData("/ip4/127.0.0.1/tcp/0"))
	elsewhere := func(c *peer.Config) {
		c.Name, c.DataAnnounce = "b", []multiaddr.Multiaddr{
			multiaddr.StringCast("/ip4/192.0.2.1/tcp/80"), multiaddr.StringCast("/dns4/registry.example/tcp/80"),
		}
	}
	b.start(t, both(withData("/ip4/127.0.0.1/tcp/0"), via(a.info(t, stripped(t, a)...)), elsewhere))
	meet(t, a, b)
	eventually(t, "b has said where its data port is", func() bool { m, _ := a.saysOf(t, b); return m.Name == "b" })
	if _, err := a.DialData(t.Context(), b.id(t)); a.HasData(b.id(t)) || !errors.Is(err, peer.ErrNoDataPort) {
		t.Errorf("it is dialed: %v", err)
	}
	if a.Confirm(b.id(t)); !a.HasData(b.id(t)) {
		t.Error("a member of use is not dialed")
	}
}

// TestAStrangerAtTheDataPort, with a key of its own and no membership, is let go.
func TestAStrangerAtTheDataPort(t *testing.T) {
	t.Parallel()
	a := newStation(t)
	a.start(t, withData("/ip4/127.0.0.1/tcp/0"))
	l := echoes(t, a)
	if c, err := tls.Dial("tcp", l.Addr().String(), strangersConfig(t, a.id(t))); err == nil {
		t.Errorf("it is shown that %s is there", a.id(t))
		requireCut(t, c)
	}
	b := newStation(t) // where a member is, a stranger gets no further than the handshake
	b.start(t, via(a.info(t, stripped(t, a)...)))
	meet(t, a, b)
	c, err := tls.Dial("tcp", l.Addr().String(), strangersConfig(t, a.id(t)))
	if err != nil {
		t.Fatal(err)
	}
	requireCut(t, c)
}

func strangersConfig(t *testing.T, server libpeer.ID) *tls.Config {
	t.Helper()
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	identity, err := libp2ptls.NewIdentity(key)
	if err != nil {
		t.Fatal(err)
	}
	cfg, _ := identity.ConfigForPeer(server)
	cfg.NextProtos = []string{"distribution-ipfs/data/1"}
	return cfg
}

// requireCut waits until the other end has closed a connection.
func requireCut(t *testing.T, c net.Conn) {
	t.Helper()
	defer c.Close()
	_ = c.SetReadDeadline(time.Now().Add(within))
	n, err := io.Copy(io.Discard, c)
	var timeout net.Error
	if n > 0 || errors.As(err, &timeout) && timeout.Timeout() {
		t.Errorf("got %d bytes, %v", n, err)
	}
}

func TestMembersConnectionsAreBounded(t *testing.T) {
	a, b, c := newStation(t), newStation(t), newStation(t)
	a.start(t, withData("/ip4/127.0.0.1/tcp/0"))
	echoes(t, a)
	boot := via(a.info(t, stripped(t, a)...))
	b.start(t, both(withData("/ip4/127.0.0.1/tcp/0"), boot))
	c.start(t, both(withData("/ip4/127.0.0.1/tcp/0"), boot))
	meet(t, a, b, c)
	id := a.id(t)
	eventually(t, "the data port is told", func() bool { return b.HasData(id) && c.HasData(id) })
	const tries = 300
	var conns []net.Conn
	for range tries {
		if conn, ok := greeted(t, b, id); ok {
			conns = append(conns, conn)
		}
	}
	if len(conns) == 0 || len(conns) == tries {
		t.Fatalf("%d of %d connections of one member are taken", len(conns), tries)
	}
	told := 0
	for _, w := range a.warnings() {
		if strings.Contains(w, "too many data connections") {
			told++
		}
	}
	if told != 1 {
		t.Errorf("told %d times: %q", told, a.warnings())
	}
	conn, ok := greeted(t, c, id)
	if !ok {
		t.Fatal("another member is kept out")
	}
	_ = conn.Close()
	for _, conn := range conns {
		_ = conn.Close()
	}
	eventually(t, "room again", func() bool {
		conn, ok := greeted(t, b, id)
		if ok {
			_ = conn.Close()
		}
		return ok
	})
}

// greeted connects to a data port that echoes; false when it hung up.
func greeted(t *testing.T, s *station, id libpeer.ID) (net.Conn, bool) {
	t.Helper()
	c, err := s.DialData(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetReadDeadline(time.Now().Add(within))
	_, err = c.Read(make([]byte, 1))
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err)
	}
	return c, err == nil
}

func TestDataPortInUse(t *testing.T) {
	taken, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	listen := func(c *peer.Config) {
		c.DataListen = []multiaddr.Multiaddr{loopback(taken.Addr().(*net.TCPAddr).Port)}
	}
	var data *peer.ListenError
	if err := newStation(t).make(t, listen); !errors.As(err, &data) || !data.Data || !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("err = %v", err)
	}
	a := newStation(t)
	if err := a.make(t, both(listen, func(c *peer.Config) { c.DataAnyPort = true })); err != nil {
		t.Fatal(err)
	}
	if w := a.warnings(); len(w) != 1 || !strings.Contains(w[0], "dataaddrs") {
		t.Errorf("warnings: %q", w)
	}
}

func TestCloseDuringHandshakes(t *testing.T) {
	a := newStation(t)
	a.start(t, withData("/ip4/127.0.0.1/tcp/0"))
	l := a.ListenData()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	if _, err := a.DialData(context.Background(), a.id(t)); err == nil {
		t.Error("dialed after Close")
	}
}
