package rival

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"os"
	"time"
)

// serverTLS makes an ECDSA certificate of its own.
func serverTLS() (*tls.Config, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
	}, nil
}

// clientTLS accepts any certificate, because the measurement begins after the handshake.
func clientTLS() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS13, InsecureSkipVerify: true}
}

// cipher is what a connection to addr agrees on.
func cipher(addr string) (string, error) {
	conn, err := tls.Dial("tcp", addr, clientTLS())
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }()
	return suite(conn), nil
}

func serveTLS(_ context.Context, o options) (offering, error) {
	config, err := serverTLS()
	if err != nil {
		return offering{}, err
	}
	l, err := tls.Listen("tcp", o.listen, config)
	if err != nil {
		return offering{}, err
	}
	go acceptAll(l)
	return offering{l.Addr().String(), itself}, nil
}

// acceptAll answers until the process ends.
func acceptAll(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer func() { _ = conn.Close() }()
			_ = sendFiles(conn) // the client sees it end
		}()
	}
}

func fetchTLS(_ context.Context, o options) (fetcher, error) {
	conn, err := tls.Dial("tcp", o.from, clientTLS())
	if err != nil {
		return fetcher{}, err
	}
	return fetcher{suite(conn), func(_ context.Context, name string, to *os.File) (int64, error) {
		return receiveFile(conn, name, to)
	}}, nil
}

func suite(c *tls.Conn) string { return tls.CipherSuiteName(c.ConnectionState().CipherSuite) }
