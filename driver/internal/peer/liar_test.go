package peer_test

import (
	"encoding/json"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ipfs/go-datastore"
	libpeer "github.com/libp2p/go-libp2p/core/peer"

	bad "github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/attacker"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer"
)

// newLiar is a member of a registry's peer that says what it likes.
func newLiar(t *testing.T, to *station, from string, says bad.Hello) *bad.Peer {
	t.Helper()
	p, err := bad.New(bad.Config{Key: strings.Repeat("07", 32), Topic: testTopic, From: from})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	p.Say(says)
	if err := p.Join(t.Context(), bad.Target{Peer: to.info(t, stripped(t, to)...)}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is a member", func() bool { return to.IsMember(p.ID()) })
	return p
}

// bystander counts the connections that are made to it, and closes them.
func bystander(t *testing.T) (port string, conns *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	conns = &atomic.Int64{}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conns.Add(1)
			_ = c.Close()
		}
	}()
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return port, conns
}

// TestOneGreetingMakesFewConnections to a third party, none of which speaks HTTP. A member that
// the same peer names is met all the same.
func TestOneGreetingMakesFewConnections(t *testing.T) {
	t.Parallel()
	a, honest := newStation(t), newStation(t)
	a.start(t, nil)
	honest.start(t, nil)
	tcp, conns := bystander(t)
	ws, requests := bystander(t)
	b, err := bad.Naming(2000, "/ip4/127.0.0.1/tcp/"+tcp, "/ip4/127.0.0.1/tcp/"+ws+"/ws")
	if err != nil {
		t.Fatal(err)
	}
	var says bad.Hello
	if err := json.Unmarshal(b, &says); err != nil {
		t.Fatal(err)
	}
	says.Members = append(says.Members, bad.HelloMember{ID: honest.id(t).String(), Addrs: []string{stripped(t, honest)[0].String()}})
	newLiar(t, a, "127.0.0.1", says)
	eventually(t, "the port is tried, and given up", func() bool { return a.failedDials() >= 2 })
	meet(t, a, honest)
	if n, r := conns.Load(), requests.Load(); n == 0 || n > 2 || r != 0 {
		t.Errorf("%d connections to a third party, and %d for HTTP", n, r)
	}
}

// TestOnlyUsefulMembersAreRemembered, of those that are not trusted.
func TestOnlyUsefulMembersAreRemembered(t *testing.T) {
	t.Parallel()
	a := newStation(t)
	a.start(t, func(c *peer.Config) { c.Trusted = []libpeer.ID{} })
	useless := newLiar(t, a, "127.0.0.1", bad.Hello{})
	useful := newLiar(t, a, "127.0.0.2", bad.Hello{})
	a.Confirm(useful.ID())
	for _, m := range a.Members() {
		if !m.Connected || m.Confirmed != (m.ID == useful.ID()) {
			t.Errorf("%+v", m)
		}
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[libpeer.ID]bool{useless.ID(): false, useful.ID(): true} {
		if has, err := a.store.Has(t.Context(), datastore.NewKey("/peer/members/"+id.String())); err != nil || has != want {
			t.Errorf("%s: %v, %v", id, has, err)
		}
	}
}
