package peer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	libp2ptls "github.com/libp2p/go-libp2p/p2p/security/tls"
	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/limit"
)

const (
	handshakeTime = 5 * time.Second
	// dataProtocol is the protocol that both ends of a data port offer (ALPN, RFC 7301), so
	// that no other TLS server is taken for a data port.
	dataProtocol = "distribution-ipfs/data/1"
)

// dataPort is TLS 1.3 between members, beside libp2p: at the speed of the processor's AES
// instead of a protector key's cipher under another one. Both ends prove their peer ID with
// the certificate of libp2p's TLS handshake
// (https://github.com/libp2p/specs/blob/master/tls/tls.md). A peer that is no member gets
// no further than that.
type dataPort struct {
	identity   *libp2ptls.Identity
	sockets    []net.Listener
	handshakes *limit.Limit[netip.Prefix]
	dataConns  *limit.Limit[peer.ID]
	accepted   chan net.Conn
	closing    chan struct{} // nobody takes connections any more
	once       sync.Once
}

// openDataPort listens on cfg.DataListen, on every address or none.
func openDataPort(cfg Config) (*dataPort, error) {
	if len(cfg.DataListen) == 0 || !cfg.private() {
		return nil, nil
	}
	identity, err := newIdentity(cfg.Key)
	if err != nil {
		return nil, fmt.Errorf("data port: %w", err)
	}
	d := &dataPort{
		identity: identity, handshakes: newHandshakeLimit(), dataConns: newDataConnLimit(),
		accepted: make(chan net.Conn), closing: make(chan struct{}),
	}
	for _, a := range cfg.DataListen {
		l, err := listenData(a, cfg)
		if err != nil {
			d.shut()
			return nil, &ListenError{Data: true, Cause: fmt.Errorf("listen on %s: %w", a, err)}
		}
		d.sockets = append(d.sockets, l)
	}
	return d, nil
}

func listenData(a multiaddr.Multiaddr, cfg Config) (net.Listener, error) {
	network, addr, err := manet.DialArgs(a)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen(network, addr)
	if !cfg.DataAnyPort || !errors.Is(err, syscall.EADDRINUSE) {
		return l, err
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	if l, err = net.Listen(network, net.JoinHostPort(host, "0")); err == nil {
		cfg.Log.WithField("address", l.Addr()).Warnf("dataaddrs: %s is in use: members are told another port for bulk data; set dataaddrs to choose it", addr)
	}
	return l, err
}

// configFor is one connection's TLS configuration, with the peer that has to be at the
// other end, or "" for any peer; after the handshake it tells which peer that is.
func (d *dataPort) configFor(id peer.ID) (*tls.Config, func() (peer.ID, error)) {
	cfg, keys := d.identity.ConfigForPeer(id)
	cfg.NextProtos = []string{dataProtocol}
	// This is for bulk data: small records would only cost, even after an idle second.
	cfg.DynamicRecordSizingDisabled = true
	return cfg, func() (peer.ID, error) {
		key := <-keys // sent during the handshake
		if key == nil {
			return "", errors.New("no key came with the handshake")
		}
		return peer.IDFromPublicKey(key)
	}
}

// shut closes the sockets; connections already made go on.
func (d *dataPort) shut() {
	d.once.Do(func() {
		close(d.closing)
		for _, l := range d.sockets {
			_ = l.Close() // nothing is left to do about it
		}
	})
}

// ListenData accepts members' connections to the data port, whose remote address is the
// peer ID. It returns nil when there is no data port. Call it once.
func (p *Peer) ListenData() net.Listener {
	if p.data == nil {
		return nil
	}
	for _, l := range p.data.sockets {
		p.run(func() { p.acceptData(l) })
	}
	return dataListener{p.data}
}

func (p *Peer) acceptData(l net.Listener) {
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) || p.ctx.Err() != nil {
			return
		}
		if err != nil { // out of descriptors, for example: others will be closed
			p.log.WithError(err).Debug("accept at the data port")
			select {
			case <-time.After(acceptPause):
			case <-p.data.closing:
			}
			continue
		}
		from := source(c.RemoteAddr())
		if !p.data.handshakes.Enter(from) {
			_ = c.Close()
			continue
		}
		p.run(func() {
			defer p.data.handshakes.Leave(from)
			p.welcome(c)
		})
	}
}

const acceptPause = 100 * time.Millisecond

// welcome shakes hands and hands a member's connection on.
func (p *Peer) welcome(c net.Conn) {
	defer context.AfterFunc(p.ctx, func() { _ = c.Close() })()
	cfg, who := p.data.configFor("")
	secured, id, err := shake(p.ctx, tls.Server(c, cfg), who)
	if err == nil && !p.admit(id) {
		err = fmt.Errorf("%s: %w", id, ErrNotMember)
	}
	if err != nil {
		p.log.WithError(err).WithField("address", c.RemoteAddr()).Debug("refused at the data port")
		_ = c.Close()
		return
	}
	if !p.data.dataConns.Enter(id) {
		if p.once.first("connections", id.String()) {
			p.about(id).Warn("too many connections at the data port, of this member or of all: further ones are closed")
		}
		_ = c.Close()
		return
	}
	member := &dataConn{
		Conn: secured, local: dataAddr(p.ID()), remote: dataAddr(id),
		left: sync.OnceFunc(func() { p.data.dataConns.Leave(id) }),
	}
	select {
	case p.data.accepted <- member:
	case <-p.data.closing:
		_ = member.Close()
	case <-p.ctx.Done():
		_ = member.Close()
	}
}

// shake ends with a connection that has proven its peer ID, or with c closed.
func shake(ctx context.Context, c *tls.Conn, who func() (peer.ID, error)) (net.Conn, peer.ID, error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeTime)
	defer cancel()
	if err := c.HandshakeContext(ctx); err != nil {
		_ = c.Close()
		return nil, "", fmt.Errorf("handshake: %w", err)
	}
	if got := c.ConnectionState().NegotiatedProtocol; got != dataProtocol {
		_ = c.Close()
		return nil, "", fmt.Errorf("handshake: protocol %q in place of %q", got, dataProtocol)
	}
	id, err := who()
	if err != nil {
		_ = c.Close()
		return nil, "", fmt.Errorf("handshake: %w", err)
	}
	return c, id, nil
}

// dataListener is the listener that ListenData returns.
type dataListener struct{ d *dataPort }

// Accept implements net.Listener.
func (l dataListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.d.accepted:
		return c, nil
	case <-l.d.closing:
		return nil, fmt.Errorf("accept: %w", net.ErrClosed)
	}
}

// Close implements net.Listener.
func (l dataListener) Close() error {
	l.d.shut()
	return nil
}

// Addr implements net.Listener.
func (l dataListener) Addr() net.Addr { return l.d.sockets[0].Addr() }

// dataConn is a connection whose ends are named by peer ID, as a stream's are.
type dataConn struct {
	net.Conn
	local, remote dataAddr
	left          func() // called when it is closed
}

// Close implements net.Conn.
func (c *dataConn) Close() error {
	defer c.left()
	return c.Conn.Close()
}

// LocalAddr implements net.Conn.
func (c *dataConn) LocalAddr() net.Addr { return c.local }

// RemoteAddr implements net.Conn.
func (c *dataConn) RemoteAddr() net.Addr { return c.remote }

type dataAddr peer.ID

func (dataAddr) Network() string  { return "data" }
func (a dataAddr) String() string { return peer.ID(a).String() }
