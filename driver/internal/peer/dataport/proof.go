package dataport

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"net"
	"slices"
	"strings"

	"github.com/libp2p/go-libp2p/core/peer"
)

// A client shows that it is of the same private network before it is shown a certificate, which
// has the peer ID of the server: TLS 1.3 has the server go first, but for what the client says in
// the open. So it offers one more protocol (ALPN), whose name nobody else can make: a nonce, and
// a code of the nonce and the server's peer ID under the network's secret. Earlier releases
// ignore it. Who listens to a member can repeat it, and be shown the certificate.
const (
	proofProtocol = "distribution-ipfs/member/"
	nonceSize     = 16
)

var errUnproven = errors.New("it has not shown that it is of this network, nor is a member connected from its address")

// prove is the name of the protocol that a client offers to a server.
func prove(secret []byte, to peer.ID) string {
	nonce := make([]byte, nonceSize)
	_, _ = rand.Read(nonce) // it never fails
	return proofProtocol + base64.RawURLEncoding.EncodeToString(append(nonce, code(secret, nonce, to)...))
}

// maxProofs is how many protocols of a client are looked at: one for each secret that it may have.
const maxProofs = 2

// proves reports whether one of the protocols that a client offers was made for this server, under one
// of the secrets.
func proves(secrets [][]byte, self peer.ID, offered []string) bool {
	seen := 0
	for _, name := range offered {
		text, ok := strings.CutPrefix(name, proofProtocol)
		if !ok {
			continue
		}
		if seen++; seen > maxProofs {
			return false
		}
		b, err := base64.RawURLEncoding.DecodeString(text)
		if err == nil && len(b) == nonceSize+sha256.Size && slices.ContainsFunc(secrets, func(secret []byte) bool {
			return hmac.Equal(b[nonceSize:], code(secret, b[:nonceSize], self))
		}) {
			return true
		}
	}
	return false
}

func code(secret, nonce []byte, to peer.ID) []byte {
	mac := hmac.New(sha256.New, secret)
	mac.Write(nonce)
	mac.Write([]byte(to))
	return mac.Sum(nil)
}

// unlessUnproven ends a handshake before anything is shown to a stranger.
func (p *Port) unlessUnproven(from net.Addr) func(*tls.ClientHelloInfo) (*tls.Config, error) {
	return func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		switch {
		case len(p.cfg.Secrets) == 0 || proves(p.cfg.Secrets, p.cfg.Self, hello.SupportedProtos):
		case p.cfg.Near != nil && p.cfg.Near(from): // it may be of an earlier release
		default:
			return nil, errUnproven
		}
		return nil, nil // go on with the configuration as it is
	}
}
