package dataport

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/limit"
)

// TestBothEndsAreProven: each end knows the other's peer ID.
func TestBothEndsAreProven(t *testing.T) {
	server, client := config(t, "/ip4/127.0.0.1/tcp/0"), config(t)
	a, b := open(t, server), open(t, client)
	echoes(t, a)
	c, err := b.Dial(t.Context(), server.Self, at(t, a))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	want := client.Self.String() + "\n"
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != want {
		t.Errorf("%q %v, not %q", got, err, want)
	}
	if c.RemoteAddr().String() != server.Self.String() || c.LocalAddr().String() != client.Self.String() {
		t.Errorf("from %s to %s", c.LocalAddr(), c.RemoteAddr())
	}
}

// TestAnotherPeerAnswers at the address of a peer, and is not taken for it.
func TestAnotherPeerAnswers(t *testing.T) {
	a, b := open(t, config(t, "/ip4/127.0.0.1/tcp/0")), open(t, config(t))
	echoes(t, a)
	if c, err := b.Dial(t.Context(), config(t).Self, at(t, a)); err == nil {
		t.Errorf("connected to %s", c.RemoteAddr())
	}
}

// TestConnectionsOfAPeerAreBounded, and not by those of another peer; those that are over do
// not count.
func TestConnectionsOfAPeerAreBounded(t *testing.T) {
	cfg := config(t, "/ip4/127.0.0.1/tcp/0")
	a, b, c := open(t, cfg), open(t, config(t)), open(t, config(t))
	echoes(t, a)
	to := at(t, a)
	var taken []net.Conn
	const tries = 257 // one more than a trusted member may have
	for range tries {
		if conn, ok := welcomed(t, b, cfg.Self, to); ok {
			taken = append(taken, conn)
		}
	}
	if len(taken) == 0 || len(taken) == tries {
		t.Fatalf("%d connections of one peer are taken", len(taken))
	}
	want := limit.Refusals{What: limit.DataConnections, Rank: limit.Trusted, Count: int64(tries - len(taken))}
	if got := cfg.Budget.Refused(); len(got) != 1 || got[0] != want {
		t.Errorf("refused: %v, with %d taken", got, len(taken))
	}
	if _, ok := welcomed(t, c, cfg.Self, to); !ok {
		t.Error("another peer is kept out")
	}
	for _, conn := range taken {
		_ = conn.Close()
	}
	for deadline := time.Now().Add(within); ; {
		if _, ok := welcomed(t, b, cfg.Self, to); ok {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("never room again")
		}
	}
}

// welcomed connects to a port that echoes; false when that hung up.
func welcomed(t *testing.T, p *Port, id peer.ID, to []multiaddr.Multiaddr) (net.Conn, bool) {
	t.Helper()
	c, err := p.Dial(t.Context(), id, to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetReadDeadline(time.Now().Add(within))
	_, err = c.Read(make([]byte, 1))
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		t.Fatal(err)
	}
	return c, err == nil
}

func TestPortInUse(t *testing.T) {
	taken, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	a, err := manet.FromNetAddr(taken.Addr())
	if err != nil {
		t.Fatal(err)
	}
	cfg := config(t, "/ip4/127.0.0.1/tcp/0", a.String())
	if p, err := Open(cfg); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("%v, err = %v", p, err)
	}
	cfg.AnyPort = true
	if addrs := open(t, cfg).Addrs(nil); len(addrs) != 2 || multiaddr.Contains(addrs, a) {
		t.Errorf("listens on %s", addrs)
	}
}

// TestCloseEndsHandshakes, and the wait for a peer to be admitted.
func TestCloseEndsHandshakes(t *testing.T) {
	cfg := config(t, "/ip4/127.0.0.1/tcp/0")
	asked := make(chan struct{})
	cfg.Admit = func(ctx context.Context, _ peer.ID) error {
		close(asked)
		<-ctx.Done()
		return ctx.Err()
	}
	p, other := open(t, cfg), open(t, config(t))
	l := p.Listener()
	mute, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	c, err := other.Dial(t.Context(), cfg.Self, at(t, p))
	if err != nil {
		t.Fatal(err)
	}
	<-asked
	p.Close()
	requireCut(t, c)
	requireCut(t, mute)
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	p.Close()
}
