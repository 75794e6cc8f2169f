package peer

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/net/gostream"
	"github.com/sirupsen/logrus"
)

// admitWait is how long a stream of a peer waits for that peer's subscription:
// each side learns of the other's at its own time.
const admitWait = 3 * time.Second

func logrusFields(id peer.ID, addr string) logrus.Fields {
	return logrus.Fields{"peer": id, "address": addr}
}

// awaitMember says whether a peer is a member, or becomes one in a moment.
func (p *Peer) awaitMember(id peer.ID) bool {
	timeout := time.NewTimer(admitWait)
	defer timeout.Stop()
	for {
		ok, changed := p.members.connected(id)
		if ok {
			return true
		}
		select {
		case <-changed:
		case <-timeout.C:
			return false
		case <-p.ctx.Done():
			return false
		}
	}
}

// Listen accepts members' streams of a protocol as connections. Others' are
// reset.
func (p *Peer) Listen(proto protocol.ID) (net.Listener, error) {
	l := &listener{p: p, proto: proto, conns: make(chan net.Conn), done: make(chan struct{})}
	p.host.SetStreamHandler(proto, l.handle)
	return l, nil
}

// Dial opens a stream to a member as a connection.
func (p *Peer) Dial(ctx context.Context, id peer.ID, proto protocol.ID) (net.Conn, error) {
	ctx = network.WithNoDial(ctx, "members are kept connected")
	conn, err := gostream.Dial(ctx, p.host, id, proto)
	if err != nil {
		return nil, fmt.Errorf("open stream to %s: %w", id, err)
	}
	return conn, nil
}

type listener struct {
	p     *Peer
	proto protocol.ID
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func (l *listener) handle(s network.Stream) {
	if !l.p.awaitMember(s.Conn().RemotePeer()) {
		_ = s.Reset()
		return
	}
	select {
	case l.conns <- conn{s}:
	case <-l.done:
		_ = s.Reset()
	}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() {
		l.p.host.RemoveStreamHandler(l.proto)
		close(l.done)
	})
	return nil
}

func (l *listener) Addr() net.Addr { return addr(l.p.host.ID()) }

// conn is a stream as a net.Conn; its addresses are peer IDs.
type conn struct{ network.Stream }

func (c conn) LocalAddr() net.Addr  { return addr(c.Stream.Conn().LocalPeer()) }
func (c conn) RemoteAddr() net.Addr { return addr(c.Stream.Conn().RemotePeer()) }

type addr peer.ID

func (addr) Network() string  { return "libp2p" }
func (a addr) String() string { return peer.ID(a).String() }
