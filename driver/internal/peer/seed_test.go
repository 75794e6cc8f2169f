package peer_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/multiformats/go-multiaddr"
	madns "github.com/multiformats/go-multiaddr-dns"
	"github.com/sirupsen/logrus"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer"
)

// names is a resolver whose answers change.
type names struct {
	mu  sync.Mutex
	ips []net.IPAddr
	txt []string
}

func (n *names) LookupIPAddr(context.Context, string) ([]net.IPAddr, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.ips) == 0 {
		return nil, errors.New("no such host")
	}
	return n.ips, nil
}

func (n *names) LookupTXT(context.Context, string) ([]string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.txt, nil
}

func (n *names) set(ips ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ips = nil
	for _, ip := range ips {
		n.ips = append(n.ips, net.IPAddr{IP: net.ParseIP(ip)})
	}
}

func (n *names) resolver(t *testing.T) *madns.Resolver {
	t.Helper()
	r, err := madns.NewResolver(madns.WithDefaultResolver(n))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// seeded has a peer listen at a host of loopback, and join by a name.
func (n *names) seeded(t *testing.T, ip string, port int, seeds ...string) func(*peer.Config) {
	return func(c *peer.Config) {
		c.Listen = []multiaddr.Multiaddr{multiaddr.StringCast(fmt.Sprintf("/ip4/%s/tcp/%d", ip, port))}
		c.Resolver = n.resolver(t)
		for _, s := range seeds {
			c.Seeds = append(c.Seeds, multiaddr.StringCast(s))
		}
	}
}

func sole(s *station) bool {
	seeds := s.Seeds()
	return len(seeds) == 1 && seeds[0].Sole
}

// TestNameOfAllMembers: a name stands for those that are there now, as a headless service does. The
// first finds itself alone, the others find all that answer, one of which does not.
func TestNameOfAllMembers(t *testing.T) {
	var n names
	port := freePort(t)
	name := fmt.Sprintf("/dns4/registries/tcp/%d", port)
	a, b, c := newStation(t), newStation(t), newStation(t)
	a.start(t, n.seeded(t, "127.0.0.1", port, name))
	eventually(t, "it says that the name does not resolve", func() bool {
		bs := a.Bootstrappers()
		return len(bs) == 1 && strings.Contains(bs[0].Trouble, "does not resolve") && !sole(a) && !a.AllUnderstand("x")
	})
	n.set("127.0.0.1")
	eventually(t, "the first finds itself only", func() bool { return sole(a) })
	if len(a.Bootstrappers()) != 0 || !a.AllUnderstand("x") {
		t.Errorf("it is still to join by %+v", a.Bootstrappers())
	}
	n.set("127.0.0.9", "127.0.0.1", "127.0.0.2", "127.0.0.3")
	b.start(t, n.seeded(t, "127.0.0.2", port, name))
	c.start(t, n.seeded(t, "127.0.0.3", port, name))
	meet(t, a, b, c)
	for _, s := range []*station{a, b, c} {
		eventually(t, "it has met them by the name", func() bool {
			bs := s.Bootstrappers()
			return len(bs) == 1 && bs[0].Met && bs[0].Trouble == "" && bs[0].ID == "" && s.Seeds()[0].Connected
		})
		if said := s.logged(logrus.WarnLevel); len(said) != 0 {
			t.Errorf("it warns: %q", said)
		}
	}
}

// TestMemberBehindANameIsReplaced: what answers at an address is asked anew who it is.
func TestMemberBehindANameIsReplaced(t *testing.T) {
	var n names
	n.set("127.0.0.1")
	port, own := freePort(t), freePort(t)
	a, b, c := newStation(t), newStation(t), newStation(t)
	a.start(t, n.seeded(t, "127.0.0.1", port))
	b.start(t, n.seeded(t, "127.0.0.2", own, fmt.Sprintf("/dns/registries/tcp/%d", port)))
	meet(t, a, b)
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	c.start(t, n.seeded(t, "127.0.0.1", port))
	meet(t, b, c)
}

// TestSeedsOfOtherKinds: an address without a name, and a TXT record with a peer ID.
func TestSeedsOfOtherKinds(t *testing.T) {
	var n names
	a, b, c := newStation(t), newStation(t), newStation(t)
	port := freePort(t)
	a.start(t, n.seeded(t, "127.0.0.1", port))
	n.txt = []string{fmt.Sprintf("dnsaddr=/ip4/127.0.0.1/tcp/%d/p2p/%s", port, a.id(t))}
	b.start(t, n.seeded(t, "127.0.0.1", 0, fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", port)))
	meet(t, a, b)
	c.start(t, n.seeded(t, "127.0.0.1", 0, "/dnsaddr/registries"))
	meet(t, a, c)
}

// TestSeedWithAnotherKey: nobody is joined who has not the protector key, and status says so.
func TestSeedWithAnotherKey(t *testing.T) {
	var n names
	a, b := newStation(t), newStation(t)
	port := freePort(t)
	a.start(t, func(c *peer.Config) { n.seeded(t, "127.0.0.1", port)(c); c.PSK = []byte(strings.Repeat("x", 32)) })
	b.start(t, n.seeded(t, "127.0.0.1", 0, fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", port)))
	eventually(t, "it says why", func() bool {
		bs := b.Bootstrappers()
		return len(bs) == 1 && bs[0].Trouble != "" && !bs[0].Met
	})
	if len(b.Connected()) != 0 || sole(b) {
		t.Error("it was joined")
	}
}

// TestSeedsNeedAKey: without a protector key anybody could answer.
func TestSeedsNeedAKey(t *testing.T) {
	err := newStation(t).make(t, func(c *peer.Config) { c.PSK, c.Seeds = nil, []multiaddr.Multiaddr{loopback(1)} })
	if err == nil || !strings.Contains(err.Error(), "protector key") {
		t.Error(err)
	}
}
