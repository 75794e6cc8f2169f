package peer_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/pnet"
	protector "github.com/libp2p/go-libp2p/p2p/net/pnet"
	libp2ptls "github.com/libp2p/go-libp2p/p2p/security/tls"
	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
	"github.com/multiformats/go-multistream"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer"
)

// TestCertificatesAreValidAtAllTimes looks at what a member gets to see of another at
// both ports, with clocks that were never set, and with ones far ahead.
func TestCertificatesAreValidAtAllTimes(t *testing.T) {
	s, member := newStation(t), newStation(t)
	s.start(t, func(c *peer.Config) { c.DataListen = []multiaddr.Multiaddr{loopback(0)} })
	member.start(t, via(s.info(t, stripped(t, s)...)))
	meet(t, s, member) // at the data port, whoever is at a member's address sees the certificate
	for name, cert := range map[string]*x509.Certificate{"host": hostCertificate(t, s), "data port": dataPortCertificate(t, s)} {
		for _, now := range []time.Time{time.Unix(0, 0), time.Now().AddDate(-30, 0, 0), time.Now().AddDate(500, 0, 0)} {
			if now.Before(cert.NotBefore) || now.After(cert.NotAfter) {
				t.Errorf("%s: valid from %s to %s, not at %s", name, cert.NotBefore, cert.NotAfter, now)
			}
		}
	}
}

// hostCertificate shakes hands as another libp2p host does, up to the certificate.
func hostCertificate(t *testing.T, s *station) *x509.Certificate {
	t.Helper()
	c, err := protector.NewProtectedConn(pnet.PSK(bytes.Repeat([]byte{7}, 32)), dialTCP(t, stripped(t, s)[0]))
	if err != nil {
		t.Fatal(err)
	}
	if err := multistream.SelectProtoOrFail(libp2ptls.ID, c); err != nil {
		t.Fatal(err)
	}
	return certificate(t, c, "libp2p")
}

func dataPortCertificate(t *testing.T, s *station) *x509.Certificate {
	t.Helper()
	s.ListenData()
	return certificate(t, dialTCP(t, s.DataAddrs()[0]), "distribution-ipfs/data/1")
}

func dialTCP(t *testing.T, a multiaddr.Multiaddr) net.Conn {
	t.Helper()
	network, addr, err := manet.DialArgs(a)
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func certificate(t *testing.T, c net.Conn, protocol string) *x509.Certificate {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	conn := tls.Client(c, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{protocol}})
	if err := conn.HandshakeContext(ctx); err != nil {
		t.Fatal(err)
	}
	return conn.ConnectionState().PeerCertificates[0]
}
