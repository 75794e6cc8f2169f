package protector_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/pnet"
	"github.com/libp2p/go-libp2p/core/sec"
	"github.com/libp2p/go-libp2p/core/transport"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/net/upgrader"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	"github.com/libp2p/go-libp2p/p2p/transport/websocket"
	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer/protector"
)

const within = 3 * time.Minute // bound of every wait for something to happen

var older, next, third = key(1), key(2), key(3)

func key(b byte) pnet.PSK { return bytes.Repeat([]byte{b}, protector.Size) }

// end is one end of a connection, with a transport of libp2p: with one key as it is, or with two.
type end struct {
	transport.Transport
	id   peer.ID
	keys *protector.Keys
}

func newEnd(t *testing.T, overWebSocket bool, keys ...pnet.PSK) *end {
	t.Helper()
	private, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	e := &end{}
	if e.id, err = peer.IDFromPrivateKey(private); err != nil {
		t.Fatal(err)
	}
	muxers := []upgrader.StreamMuxer{{ID: yamux.ID, Muxer: yamux.DefaultTransport}}
	security, err := noise.New(noise.ID, private, muxers)
	if err != nil {
		t.Fatal(err)
	}
	u, err := upgrader.New([]sec.SecureTransport{security}, muxers, keys[0], &network.NullResourceManager{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(keys) == 2 {
		e.keys = protector.New(keys[0], keys[1])
		u = e.keys.Upgrader(u)
	}
	if overWebSocket {
		e.Transport, err = websocket.New(u, nil, nil)
	} else {
		e.Transport, err = tcp.NewTCPTransport(u, nil, nil, tcp.DisableReuseport())
	}
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func (e *end) dial(ctx context.Context, at multiaddr.Multiaddr, id peer.ID) (transport.CapableConn, error) {
	if e.keys == nil {
		return e.Dial(ctx, at, id)
	}
	return e.keys.Dial(ctx, func(ctx context.Context) (transport.CapableConn, error) { return e.Dial(ctx, at, id) })
}

// echoes accepts connections, and answers their streams with what comes in.
func (e *end) echoes(t *testing.T, at string) multiaddr.Multiaddr {
	t.Helper()
	l, err := e.Listen(multiaddr.StringCast(at))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				if s, err := c.AcceptStream(); err == nil {
					_, _ = io.Copy(s, s)
					_ = s.Close()
				}
			}()
		}
	}()
	return l.Multiaddr()
}

// TestWhoSpeaksWithWhom: one end that knows both keys speaks with each that knows one of them, whoever
// dials, over each transport; nobody else gets in.
func TestWhoSpeaksWithWhom(t *testing.T) {
	for name, c := range map[string]struct {
		dials, listens []pnet.PSK
		ok             bool
	}{
		"both to both":    {[]pnet.PSK{next, older}, []pnet.PSK{next, older}, true},
		"both to the old": {[]pnet.PSK{next, older}, []pnet.PSK{older}, true},
		"both to the new": {[]pnet.PSK{next, older}, []pnet.PSK{next}, true},
		"the old to both": {[]pnet.PSK{older}, []pnet.PSK{next, older}, true},
		"the new to both": {[]pnet.PSK{next}, []pnet.PSK{next, older}, true},
		// Two that disagree on which of them comes first.
		"both to both, turned": {[]pnet.PSK{older, next}, []pnet.PSK{next, older}, true},
		"another to both":      {[]pnet.PSK{third}, []pnet.PSK{next, older}, false},
		"both to another":      {[]pnet.PSK{next, older}, []pnet.PSK{third}, false},
	} {
		for _, at := range []string{"/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/tcp/0/ws"} {
			t.Run(name+at, func(t *testing.T) {
				t.Parallel()
				ws := bytes.HasSuffix([]byte(at), []byte("ws"))
				server, client := newEnd(t, ws, c.listens...), newEnd(t, ws, c.dials...)
				to := server.echoes(t, at)
				ctx, cancel := context.WithTimeout(t.Context(), within)
				defer cancel()
				conn, err := client.dial(ctx, to, server.id)
				if (err == nil) != c.ok {
					t.Fatal(err)
				}
				if c.ok {
					requireEcho(t, conn)
				}
			})
		}
	}
}

// requireEcho sends more than any buffer holds, in pieces of all sizes.
func requireEcho(t *testing.T, c transport.CapableConn) {
	t.Helper()
	defer func() { _ = c.Close() }()
	s, err := c.OpenStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sent := make([]byte, 300<<10)
	_, _ = rand.Read(sent)
	go func() {
		for i, rest := 1, sent; len(rest) > 0; i = (i*3 + 1) % 5000 {
			n := min(i+1, len(rest))
			_, _ = s.Write(rest[:n])
			rest = rest[n:]
		}
		_ = s.CloseWrite()
	}()
	got, err := io.ReadAll(s)
	if err != nil || !bytes.Equal(got, sent) {
		t.Errorf("%d bytes of %d came back, or others: %v", len(got), len(sent), err)
	}
}

// TestTheFirstKeyComesFirst: the other one is tried only where somebody answers who does not show that it
// has the first.
func TestTheFirstKeyComesFirst(t *testing.T) {
	both := func() *end { return newEnd(t, false, next, older) }
	count := func(e *end, at multiaddr.Multiaddr, id peer.ID) (n int, err error) {
		ctx, cancel := context.WithTimeout(t.Context(), within)
		defer cancel()
		_, err = e.keys.Dial(ctx, func(ctx context.Context) (transport.CapableConn, error) { n++; return e.Dial(ctx, at, id) })
		return n, err
	}
	for name, c := range map[string]struct {
		keys []pnet.PSK
		want int
	}{"the next": {[]pnet.PSK{next}, 1}, "both": {[]pnet.PSK{next, older}, 1}, "the old": {[]pnet.PSK{older}, 2}} {
		server := newEnd(t, false, c.keys...)
		if n, err := count(both(), server.echoes(t, "/ip4/127.0.0.1/tcp/0"), server.id); err != nil || n != c.want {
			t.Errorf("%s: %d attempts: %v", name, n, err)
		}
	}
	server := newEnd(t, false, next)
	if n, err := count(both(), server.echoes(t, "/ip4/127.0.0.1/tcp/0"), both().id); n != 1 || !errors.As(err, new(sec.ErrPeerIDMismatch)) {
		t.Errorf("another peer: %d attempts: %v", n, err)
	}
	at := multiaddr.StringCast("/ip4/127.0.0.1/tcp/1") // which nobody is given
	if n, err := count(both(), at, server.id); n != 1 || err == nil {
		t.Errorf("nobody: %d attempts: %v", n, err)
	}
}

// TestGarbageEndsAtOnce: who says nothing that either key makes sense of is answered nothing.
func TestGarbageEndsAtOnce(t *testing.T) {
	server := newEnd(t, false, next, older)
	_, addr, err := manet.DialArgs(server.echoes(t, "/ip4/127.0.0.1/tcp/0"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if err := c.SetDeadline(time.Now().Add(within)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write(bytes.Repeat([]byte{0x2a}, 44)); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%d bytes: %v", n, err)
	}
}
