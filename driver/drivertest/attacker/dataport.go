package attacker

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"

	"github.com/libp2p/go-libp2p/core/peer"
	libp2ptls "github.com/libp2p/go-libp2p/p2p/security/tls"
)

const dataALPN = "distribution-ipfs/data/1"

// dataPort listens as a data port does.
func (p *Peer) dataPort() (net.Listener, error) {
	cfg, err := p.dataConfig("")
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", net.JoinHostPort(p.cfg.From, "0"))
	if err != nil {
		return nil, err
	}
	// ConfigForPeer is for one connection: each takes one of its own.
	return tls.NewListener(l, &tls.Config{
		MinVersion:         tls.VersionTLS13,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return p.dataConfig("") },
		Certificates:       cfg.Certificates,
	}), nil
}

func (p *Peer) dataConfig(id peer.ID) (*tls.Config, error) {
	if p.host == nil {
		return nil, ErrStranger
	}
	identity, err := libp2ptls.NewIdentity(p.host.Peerstore().PrivKey(p.host.ID()))
	if err != nil {
		return nil, err
	}
	cfg, _ := identity.ConfigForPeer(id)
	cfg.NextProtos = []string{dataALPN}
	return cfg, nil
}

// DialData connects to a target's data port, with its own identity proven.
func (p *Peer) DialData(ctx context.Context, t Target) (net.Conn, error) {
	cfg, err := p.dataConfig(t.Peer.ID)
	if err != nil {
		return nil, fmt.Errorf("data port: %w", err)
	}
	raw, err := p.dialer.DialContext(ctx, "tcp", t.Data)
	if err != nil {
		return nil, fmt.Errorf("data port: %w", err)
	}
	c := tls.Client(raw, cfg)
	if err := c.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		return nil, fmt.Errorf("data port: %w", err)
	}
	return c, nil
}
