package transfer

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/limit"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/wire"
)

// town is a swarm of members that are connected by TCP on loopback, or by real peers. A test can
// cut, hold back and restore the connections of each member.
type town struct {
	way        way
	mu         sync.Mutex
	houses     []*house
	registries []*registry
	untrusted  []peer.ID   // by all
	slowPort   atomic.Bool // dialing a data port took so long that a stream may have replaced it
}

// house is one member of a town. It is the Swarm of that member.
type house struct {
	t    *testing.T
	town *town
	id   peer.ID
	real *realPeer // nil: plain TCP

	mu       sync.Mutex
	tcp      net.Listener // nil: nobody can reach it
	accepted *listener    // nil: nobody listens
	conns    map[net.Conn]bool
	sent     int64
	gate     func(sent int64)
	wg       sync.WaitGroup
}

func (town *town) build(t *testing.T) *house {
	t.Helper()
	key, public, err := crypto.GenerateEd25519Key(rand.Reader)
	require.NoError(t, err)
	id, err := peer.IDFromPublicKey(public)
	require.NoError(t, err)
	h := &house{t: t, town: town, id: id, conns: map[net.Conn]bool{}}
	if town.way != plainTCP {
		h.real = town.newReal(t, key)
	}
	h.revive()
	t.Cleanup(func() { h.kill(); h.wg.Wait() })
	town.mu.Lock()
	defer town.mu.Unlock()
	town.houses = append(town.houses, h)
	return h
}

func (town *town) find(id peer.ID) *house {
	town.mu.Lock()
	defer town.mu.Unlock()
	i := slices.IndexFunc(town.houses, func(h *house) bool { return h.id == id })
	return town.houses[i]
}

// revive makes the member reachable again.
func (h *house) revive() {
	h.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(h.t, err)
	h.mu.Lock()
	h.tcp, h.gate = l, nil
	h.mu.Unlock()
	h.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			h.wg.Go(func() { h.receive(c) })
		}
	})
}

// receive takes a connection, which begins with the peer ID of the house that dialed.
func (h *house) receive(c net.Conn) {
	h.mu.Lock()
	to := h.accepted
	h.conns[c] = true
	h.mu.Unlock()
	from := make([]byte, len(h.id))
	_, err := io.ReadFull(c, from)
	if err != nil || to == nil || !to.hand(&gated{Conn: c, h: h, from: peer.ID(from)}) {
		_ = c.Close()
	}
}

// kill cuts all connections of the member, and makes it unreachable.
func (h *house) kill() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.tcp != nil {
		_ = h.tcp.Close()
	}
	h.tcp = nil
	for c := range h.conns {
		sever(c)
	}
	clear(h.conns)
}

// guard has f called before each write of this member to another, with the bytes that the member
// has sent since guard was called. f may wait.
func (h *house) guard(f func(sent int64)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.gate, h.sent = f, 0
}

// holdBack lets that many bytes out at once, and the others when open is called.
func (h *house) holdBack(bytes int64) (open func()) {
	ch := make(chan struct{})
	h.guard(func(sent int64) {
		if sent > bytes {
			<-ch
		}
	})
	open = sync.OnceFunc(func() { close(ch) })
	h.t.Cleanup(open)
	return open
}

func (h *house) ID() peer.ID { return h.id }

func (h *house) Connected() []peer.ID {
	h.town.mu.Lock()
	defer h.town.mu.Unlock()
	var ids []peer.ID
	for _, other := range h.town.houses {
		if other != h && other.address() != "" && (h.real == nil || h.real.IsMember(other.id)) {
			ids = append(ids, other.id)
		}
	}
	return ids
}

func (h *house) address() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.tcp == nil {
		return ""
	}
	return h.tcp.Addr().String()
}

func (h *house) Dial(ctx context.Context, id peer.ID, _ protocol.ID) (net.Conn, error) {
	addr := h.town.find(id).address()
	if addr == "" {
		return nil, errUnreachable
	}
	if h.real != nil {
		return h.note(h.real.Dial(ctx, id, wire.Protocol))
	}
	var d net.Dialer
	c, err := h.note(d.DialContext(ctx, "tcp", addr))
	if err == nil {
		_, err = io.WriteString(c, string(h.id))
	}
	return c, err
}

var errUnreachable = errors.New("unreachable")

// note remembers a connection, so that kill can cut it.
func (h *house) note(c net.Conn, err error) (net.Conn, error) {
	if err == nil {
		h.mu.Lock()
		h.conns[c] = true
		h.mu.Unlock()
	}
	return c, err
}

// ListenData and the methods below serve the data port. With plain TCP there are only streams.
func (h *house) ListenData() net.Listener {
	if h.real == nil {
		return nil
	}
	l := h.real.ListenData()
	if l == nil {
		return nil
	}
	return &gatedListener{l, h}
}

func (h *house) DialData(ctx context.Context, id peer.ID) (net.Conn, error) {
	if h.real == nil || h.town.find(id).address() == "" {
		return nil, errUnreachable
	}
	late := time.AfterFunc(stall/16, func() { h.town.slowPort.Store(true) })
	defer late.Stop()
	return h.note(h.real.DialData(ctx, id))
}

func (h *house) HasData(id peer.ID) bool { return h.real != nil && h.real.HasData(id) }

func (h *house) Relayed(peer.ID) bool { return false }

func (h *house) Trusts(id peer.ID) bool {
	h.town.mu.Lock()
	defer h.town.mu.Unlock()
	return !slices.Contains(h.town.untrusted, id)
}

// distrust has nobody trust these members, and everybody the others.
func (town *town) distrust(ids ...peer.ID) {
	town.mu.Lock()
	defer town.mu.Unlock()
	town.untrusted = ids
}

func (h *house) Admits(remote string) bool { return h.real == nil || h.real.Admits(remote) }

func (h *house) SourceOf(remote string) limit.Source {
	if h.real != nil {
		return h.real.SourceOf(remote)
	}
	return limit.Source{Peer: peer.ID(remote), Rank: limit.Trusted}
}

func (h *house) Listen(proto protocol.ID) (net.Listener, error) {
	if h.real != nil {
		l, err := h.real.Listen(proto)
		return &gatedListener{l, h}, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.accepted = &listener{h: h, ch: make(chan net.Conn), done: make(chan struct{})}
	return h.accepted, nil
}

// listener outlives the TCP listener of a member that is cut off for a while.
type listener struct {
	h    *house
	ch   chan net.Conn
	done chan struct{}
	once sync.Once
}

func (l *listener) hand(c net.Conn) bool {
	select {
	case l.ch <- c:
		return true
	case <-l.done:
		return false
	}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.ch:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *listener) Addr() net.Addr { return &net.TCPAddr{} }

// gated is a connection to a member. Its writes pass the member's gate.
type gated struct {
	net.Conn
	h    *house
	from peer.ID
}

func (g *gated) RemoteAddr() net.Addr {
	if g.h.real != nil {
		return g.Conn.RemoteAddr()
	}
	return addr(g.from)
}

type addr peer.ID

func (addr) Network() string  { return "town" }
func (a addr) String() string { return peer.ID(a).String() }

func (g *gated) Write(b []byte) (int, error) {
	g.h.mu.Lock()
	g.h.sent += int64(len(b))
	gate, sent := g.h.gate, g.h.sent
	g.h.mu.Unlock()
	if gate != nil {
		gate(sent)
	}
	return g.Conn.Write(b)
}
