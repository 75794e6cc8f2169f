package dataport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/limit"
)

const (
	handshakeTime = 5 * time.Second
	// protocol is what both ends offer (ALPN, RFC 7301), so that no other TLS server is
	// taken for a data port.
	protocol = "distribution-ipfs/data/1"
)

// welcome shakes hands, and passes on the connection if its peer is admitted.
func (p *Port) welcome(c net.Conn) {
	defer context.AfterFunc(p.ctx, func() { _ = c.Close() })()
	cfg, who := p.configFor("")
	cfg.GetConfigForClient = p.unlessUnproven(c.RemoteAddr())
	secured, id, err := shake(p.ctx, tls.Server(c, cfg), who)
	if err == nil {
		err = p.cfg.Admit(p.ctx, id)
	}
	if err != nil {
		p.cfg.Log.WithError(err).WithField("address", c.RemoteAddr()).Debug("refused at the data port")
		_ = c.Close()
		return
	}
	leave, ok := p.conns.Enter(limit.Source{Peer: id, Address: source(c.RemoteAddr()), Rank: p.cfg.Rank(id)})
	if !ok {
		_ = c.Close()
		return
	}
	admitted := &conn{
		Conn: secured, local: addr(p.cfg.Self), remote: addr(id),
		left: leave,
	}
	select {
	case p.accepted <- admitted:
	case <-p.closing:
		_ = admitted.Close()
	case <-p.ctx.Done():
		_ = admitted.Close()
	}
}

// configFor is one connection's TLS configuration, with the peer that has to be at the
// other end, or "" for any peer; after the handshake it tells which peer that is.
func (p *Port) configFor(id peer.ID) (*tls.Config, func() (peer.ID, error)) {
	cfg, keys := p.cfg.Identity.ConfigForPeer(id)
	cfg.NextProtos = []string{protocol}
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

// shake returns a connection whose peer has proven its ID, or an error with c closed.
func shake(ctx context.Context, c *tls.Conn, who func() (peer.ID, error)) (net.Conn, peer.ID, error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeTime)
	defer cancel()
	if err := c.HandshakeContext(ctx); err != nil {
		_ = c.Close()
		return nil, "", fmt.Errorf("handshake: %w", err)
	}
	if got := c.ConnectionState().NegotiatedProtocol; got != protocol {
		_ = c.Close()
		return nil, "", fmt.Errorf("handshake: protocol %q in place of %q", got, protocol)
	}
	id, err := who()
	if err != nil {
		_ = c.Close()
		return nil, "", fmt.Errorf("handshake: %w", err)
	}
	return c, id, nil
}

// conn is a connection whose ends are named by peer ID, as a stream's are.
type conn struct {
	net.Conn
	local, remote addr
	left          func() // called when it is closed
}

// Close implements net.Conn.
func (c *conn) Close() error {
	defer c.left()
	return c.Conn.Close()
}

// LocalAddr implements net.Conn.
func (c *conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr implements net.Conn.
func (c *conn) RemoteAddr() net.Addr { return c.remote }

type addr peer.ID

func (addr) Network() string  { return "data" }
func (a addr) String() string { return peer.ID(a).String() }
