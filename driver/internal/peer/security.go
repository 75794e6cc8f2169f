package peer

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/core/sec"
	"github.com/libp2p/go-libp2p/p2p/net/upgrader"
	libp2ptls "github.com/libp2p/go-libp2p/p2p/security/tls"
)

// newIdentity makes the certificate of libp2p's TLS handshake
// (https://github.com/libp2p/specs/blob/master/tls/tls.md), which proves a peer's key
// and is valid at all times: the other end checks it with its own clock, which may be
// wrong by any amount, or never have been set.
func newIdentity(key crypto.PrivKey) (*libp2ptls.Identity, error) {
	template, err := certTemplate()
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	return libp2ptls.NewIdentity(key, libp2ptls.WithCertTemplate(template))
}

func certTemplate() (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		return nil, err
	}
	return &x509.Certificate{
		SerialNumber: serial,
		NotBefore:    time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:     time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), // no end, RFC 5280, 4.1.2.5
		Subject:      pkix.Name{SerialNumber: serial.String()},         // the issuer has to have a name
	}, nil
}

// tlsTransport is libp2ptls.Transport with the certificate of newIdentity: libp2p's is
// valid from an hour before it was made, so that two peers whose clocks differ by more
// never connect, and it accepts no other certificate. Noise does not depend on time, but
// its cipher is a quarter slower (docs/decisions/0012-clocks.md).
type tlsTransport struct {
	id       protocol.ID
	self     peer.ID
	identity *libp2ptls.Identity
	muxers   []string // offered in the handshake, which saves a round trip
}

var _ sec.SecureTransport = (*tlsTransport)(nil)

func newTLS(id protocol.ID, key crypto.PrivKey, muxers []upgrader.StreamMuxer) (*tlsTransport, error) {
	self, err := peer.IDFromPrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	identity, err := newIdentity(key)
	if err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	t := &tlsTransport{id: id, self: self, identity: identity}
	for _, m := range muxers {
		t.muxers = append(t.muxers, string(m.ID))
	}
	return t, nil
}

// ID implements sec.SecureTransport.
func (t *tlsTransport) ID() protocol.ID { return t.id }

// SecureInbound implements sec.SecureTransport.
func (t *tlsTransport) SecureInbound(ctx context.Context, c net.Conn, id peer.ID) (sec.SecureConn, error) {
	return t.secure(ctx, c, id, tls.Server)
}

// SecureOutbound implements sec.SecureTransport.
func (t *tlsTransport) SecureOutbound(ctx context.Context, c net.Conn, id peer.ID) (sec.SecureConn, error) {
	return t.secure(ctx, c, id, tls.Client)
}

// secure shakes hands as one end or the other. c is closed when that fails.
func (t *tlsTransport) secure(ctx context.Context, c net.Conn, id peer.ID, end func(net.Conn, *tls.Config) *tls.Conn) (sec.SecureConn, error) {
	cfg, keys := t.identity.ConfigForPeer(id)
	plain := cfg.NextProtos // offered by peers that choose the muxer later
	cfg.NextProtos = append(append([]string{}, t.muxers...), plain...)
	conn := end(c, cfg)
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = c.Close()
		return nil, err
	}
	s := &secureConn{Conn: conn, self: t.self, key: <-keys} // sent during the handshake
	var err error
	if s.key == nil {
		err = errors.New("no key came with the handshake")
	} else if s.remote, err = peer.IDFromPublicKey(s.key); err == nil {
		if chosen := conn.ConnectionState().NegotiatedProtocol; chosen != libp2pALPN {
			s.state = network.ConnectionState{StreamMultiplexer: protocol.ID(chosen), UsedEarlyMuxerNegotiation: chosen != ""}
		}
		return s, nil
	}
	_ = c.Close()
	return nil, fmt.Errorf("tls: %w", err)
}

// libp2pALPN is what libp2p's TLS negotiates when it does not choose a muxer.
const libp2pALPN = "libp2p"

// secureConn implements sec.SecureConn.
type secureConn struct {
	*tls.Conn
	self, remote peer.ID
	key          crypto.PubKey
	state        network.ConnectionState
}

// LocalPeer implements sec.SecureConn.
func (c *secureConn) LocalPeer() peer.ID { return c.self }

// RemotePeer implements sec.SecureConn.
func (c *secureConn) RemotePeer() peer.ID { return c.remote }

// RemotePublicKey implements sec.SecureConn.
func (c *secureConn) RemotePublicKey() crypto.PubKey { return c.key }

// ConnState implements sec.SecureConn.
func (c *secureConn) ConnState() network.ConnectionState { return c.state }
