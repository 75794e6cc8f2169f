package dataport

import (
	"context"
	"crypto/rand"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	libp2ptls "github.com/libp2p/go-libp2p/p2p/security/tls"
	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/limit"
)

const within = 3 * time.Minute // bound of every wait for something to happen

// config is of a peer with a key of its own, whose port lets everybody in.
func config(t *testing.T, listen ...string) Config {
	t.Helper()
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	log, _ := test.NewNullLogger()
	cfg := Config{
		Admit: func(context.Context, peer.ID) error { return nil }, Log: logrus.NewEntry(log),
		Rank:   func(peer.ID) limit.Rank { return limit.Trusted },
		At:     func(netip.Prefix) limit.Rank { return limit.Stranger },
		Budget: limit.NewBudget(limit.Machine{Memory: 1 << 30, Descriptors: 1024}, logrus.NewEntry(log)),
	}
	if cfg.Identity, err = libp2ptls.NewIdentity(key); err != nil {
		t.Fatal(err)
	}
	if cfg.Self, err = peer.IDFromPrivateKey(key); err != nil {
		t.Fatal(err)
	}
	for _, a := range listen {
		cfg.Listen = append(cfg.Listen, multiaddr.StringCast(a))
	}
	return cfg
}

func open(t *testing.T, cfg Config) *Port {
	t.Helper()
	p, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// echoes answers each connection with the peer ID of its other end, a line, and then with
// what comes in.
func echoes(t *testing.T, p *Port) net.Listener {
	t.Helper()
	l := p.Listener()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.WriteString(c, c.RemoteAddr().String()+"\n")
				_, _ = io.Copy(c, c)
				_ = c.Close()
			}()
		}
	}()
	return l
}

// at is where a port on loopback is dialed.
func at(t *testing.T, p *Port) []multiaddr.Multiaddr {
	t.Helper()
	var addrs []multiaddr.Multiaddr
	for _, l := range p.sockets {
		a, err := manet.FromNetAddr(l.Addr())
		if err != nil {
			t.Fatal(err)
		}
		addrs = append(addrs, a)
	}
	return addrs
}
