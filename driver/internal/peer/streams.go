package peer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/net/gostream"
)

// ErrNotMember reports that a peer is not a connected member.
var ErrNotMember = errors.New("not a connected member")

// admitGrace is how long a stream waits for its peer to become a member: the other side may
// see our subscription before we see its own.
const admitGrace = 3 * time.Second

// streams counts the running handlers, and work that goes on after its caller has returned,
// and refuses new ones once shut.
type streams struct {
	mu        sync.Mutex
	closed    bool
	running   sync.WaitGroup
	listeners []net.Listener
}

func (s *streams) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.running.Add(1)
	}
	return !s.closed
}

func (s *streams) shut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, l := range s.listeners {
		_ = l.Close() // a gostream listener has nothing that can fail
	}
}

func (s *streams) wait(limit time.Duration) error {
	done := make(chan struct{})
	go func() { s.running.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-time.After(limit):
		return fmt.Errorf("stream handlers still run after %s", limit)
	}
}

// Handle sets the handler of a protocol. Streams of peers that are no members are reset; h
// owns the stream and runs in a goroutine of its own.
func (p *Peer) Handle(proto protocol.ID, h func(network.Stream)) {
	p.host.SetStreamHandler(proto, func(s network.Stream) {
		if !p.streams.enter() {
			_ = s.Reset()
			return
		}
		defer p.streams.running.Done()
		if !p.admit(p.ctx, s.Conn().RemotePeer()) {
			_ = s.Reset()
			return
		}
		h(s)
	})
}

// admit reports whether a peer is a member, and waits a little for one that is
// about to be.
func (p *Peer) admit(ctx context.Context, id peer.ID) bool {
	if p.IsMember(id) {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, admitGrace)
	defer cancel()
	return p.roster.waitMember(ctx, id)
}

// Open opens a stream to a connected member; for any other peer it returns ErrNotMember. It
// never dials.
func (p *Peer) Open(ctx context.Context, id peer.ID, proto protocol.ID) (network.Stream, error) {
	if !p.IsMember(id) {
		return nil, fmt.Errorf("open stream to %s: %w", id, ErrNotMember)
	}
	s, err := p.host.NewStream(network.WithNoDial(ctx, "members are dialed already"), id, proto)
	if err != nil {
		return nil, fmt.Errorf("open stream to %s: %w", id, err)
	}
	return s, nil
}

// Alive reports whether a peer that is connected gives a sign of life before ctx ends, as its
// libp2p does however busy the rest is.
func (p *Peer) Alive(ctx context.Context, id peer.ID) bool {
	_, err := p.RoundTrip(ctx, id)
	return err == nil
}

// Dial is Open as a net.Conn. Close never waits for the member: written bytes are lost when
// the connection is closed before anything was read.
func (p *Peer) Dial(ctx context.Context, id peer.ID, proto protocol.ID) (net.Conn, error) {
	if !p.IsMember(id) && !slices.Contains(p.Unheard(), id) {
		return nil, fmt.Errorf("dial %s: %w", id, ErrNotMember)
	}
	c, err := gostream.Dial(network.WithNoDial(ctx, "members are dialed already"), p.host, id, proto)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", id, err)
	}
	return &outbound{Conn: c}, nil
}

// outbound is a stream of ours as a net.Conn. libp2p sends what is written together with
// the handshake for the protocol, and its Close waits for the answer to that. On a network
// that drops packets that takes until the connection is given up. So a stream on which
// nothing was received is reset.
type outbound struct {
	net.Conn
	answered atomic.Bool
}

func (o *outbound) Read(b []byte) (int, error) {
	n, err := o.Conn.Read(b)
	if n > 0 {
		o.answered.Store(true)
	}
	return n, err
}

func (o *outbound) Close() error {
	if s, ok := o.Conn.(network.Stream); ok && !o.answered.Load() {
		return s.Reset()
	}
	return o.Conn.Close()
}

// Listen accepts members' streams of a protocol as connections, whose remote address is the
// peer ID. It replaces the protocol's previous handler. Close closes the listener, too;
// Accept then returns an error.
func (p *Peer) Listen(proto protocol.ID) (net.Listener, error) {
	l, err := gostream.Listen(gatedHost{p.host, p}, proto)
	if err != nil {
		return nil, fmt.Errorf("listen for %s: %w", proto, err)
	}
	p.streams.mu.Lock()
	defer p.streams.mu.Unlock()
	if p.streams.closed {
		return nil, errors.Join(fmt.Errorf("listen for %s: %w", proto, net.ErrClosed), l.Close())
	}
	p.streams.listeners = append(p.streams.listeners, l)
	return memberListener{l}, nil
}

// Remote is the peer that dialed a connection which came from Listen; "" when that is not
// known.
func (p *Peer) Remote(c net.Conn) peer.ID {
	id, err := peer.Decode(c.RemoteAddr().String())
	if err != nil {
		return ""
	}
	return id
}

// gatedHost is the host as gostream may use it: with a handler that lets only
// members through.
type gatedHost struct {
	host.Host
	peer *Peer
}

func (h gatedHost) SetStreamHandler(proto protocol.ID, f network.StreamHandler) {
	h.peer.Handle(proto, f)
}

// memberListener returns net.ErrClosed when it is closed, as http.Server expects.
type memberListener struct{ net.Listener }

func (l memberListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if errors.Is(err, context.Canceled) {
		return nil, fmt.Errorf("accept: %w", net.ErrClosed)
	}
	return c, err
}
