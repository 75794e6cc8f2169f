package dataport

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"testing"
)

// TestStrangersAreShownNothing: no certificate, by which they would know the peer, whatever they
// say; only clients of the same network and the same server see it, and those of earlier releases
// at an address of a member.
func TestStrangersAreShownNothing(t *testing.T) {
	ours, older, theirs := []byte("the secret of a network"), []byte("the one before"), []byte("that of another one")
	cfg := config(t, "/ip4/127.0.0.1/tcp/0")
	cfg.Secrets = [][]byte{older, ours}
	cfg.Near = func(from net.Addr) bool { return from.(*net.TCPAddr).IP.String() == "127.0.0.9" }
	p := open(t, cfg)
	l := echoes(t, p)
	other := config(t).Self
	for name, c := range map[string]struct {
		from    string
		offered []string
		shown   bool
	}{
		"nothing":                {offered: nil},
		"the protocol":           {offered: []string{protocol}},
		"of another network":     {offered: []string{protocol, prove(theirs, cfg.Self)}},
		"for another server":     {offered: []string{protocol, prove(ours, other)}},
		"garbage":                {offered: []string{protocol, proofProtocol + "AAAA", proofProtocol}},
		"a proof":                {offered: []string{protocol, prove(ours, cfg.Self)}, shown: true},
		"one of before":          {offered: []string{protocol, prove(older, cfg.Self)}, shown: true},
		"the second of two":      {offered: []string{protocol, prove(theirs, cfg.Self), prove(ours, cfg.Self)}, shown: true},
		"the third":              {offered: []string{protocol, prove(theirs, cfg.Self), prove(theirs, cfg.Self), prove(ours, cfg.Self)}},
		"none, beside a member":  {offered: []string{protocol}, from: "127.0.0.9", shown: true},
		"none, far from members": {offered: []string{protocol}, from: "127.0.0.8"},
	} {
		t.Run(name, func(t *testing.T) {
			shown := errors.New("it is shown a certificate")
			d := tls.Dialer{Config: &tls.Config{
				InsecureSkipVerify: true, NextProtos: c.offered,
				VerifyPeerCertificate: func([][]byte, [][]*x509.Certificate) error { return shown },
			}}
			if c.from != "" {
				d.NetDialer = &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(c.from)}}
			}
			conn, err := d.DialContext(t.Context(), "tcp", l.Addr().String())
			if err == nil {
				_ = conn.Close()
			}
			if err == nil || errors.Is(err, shown) != c.shown {
				t.Error(err)
			}
		})
	}
	for name, secrets := range map[string][][]byte{
		"a member": {ours}, "one with the key of before": {older}, "one with the next key": {theirs, ours}, "an earlier release of the server": nil,
	} {
		t.Run(name, func(t *testing.T) {
			from, to := config(t), config(t, "/ip4/127.0.0.1/tcp/0")
			from.Secrets, to.Secrets = [][]byte{older, ours}, secrets
			server := open(t, to)
			echoes(t, server)
			c, err := open(t, from).Dial(t.Context(), to.Self, at(t, server))
			if err != nil {
				t.Fatal(err)
			}
			_ = c.Close()
		})
	}
}
