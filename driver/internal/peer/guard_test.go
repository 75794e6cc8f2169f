package peer

import (
	"fmt"
	"io"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
	"github.com/sirupsen/logrus"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/limit"
)

func newTestGuard(rank *limit.Rank) *guard {
	logger := logrus.New()
	logger.SetOutput(io.Discard)
	b := limit.NewBudget(limit.Machine{Memory: 1 << 30, Descriptors: 512}, logrus.NewEntry(logger))
	return newGuard(&network.NullResourceManager{}, b, func(peer.ID) limit.Rank { return *rank },
		newHomes().rank)
}

func arrive(t *testing.T, g *guard, dir network.Direction) *connScope {
	t.Helper()
	scope, err := g.OpenConnection(dir, true, multiaddr.StringCast("/ip4/192.0.2.1/tcp/4619"))
	if err != nil {
		t.Fatal(err)
	}
	return scope.(*connScope)
}

// TestTheDoorClosesOnStrangers after five seconds, and on nobody who is known.
func TestTheDoorClosesOnStrangers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rank := limit.Connected
		g := newTestGuard(&rank)
		cut := map[string]time.Duration{}
		began := time.Now()
		for _, name := range []string{"silent", "known", "gone"} {
			c := arrive(t, g, network.DirInbound)
			c.closeAfter(handshakeTime, func() { cut[name] = time.Since(began) })
			switch name {
			case "known":
				if err := c.SetPeer("other"); err != nil {
					t.Fatal(err)
				}
			case "gone":
				c.Done()
			}
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(cut) != 1 || cut["silent"] != handshakeTime {
			t.Errorf("cut: %v", cut)
		}
	})
}

// TestMembersComeHome, to where they were seen or are configured, while strangers take what they
// are let have.
func TestMembersComeHome(t *testing.T) {
	r := newRoster("self")
	r.keep(peer.AddrInfo{ID: "bootstrapper", Addrs: []multiaddr.Multiaddr{multiaddr.StringCast("/ip4/198.51.100.1/tcp/4619")}}, true)
	r.recall("remembered", remembered{Site: "198.51.100.2/32", Seen: time.Now()}, moment{}, time.Now())
	r.recall("useless", remembered{Site: "198.51.100.3/32", Unused: true, Seen: time.Now()}, moment{}, time.Now())
	for id, at := range map[peer.ID]string{"useful": "198.51.100.4", "on trial": "198.51.100.5"} {
		r.subscribed(id, true, true)
		r.seenAt(id, netip.MustParseAddr(at))
	}
	r.confirm("useful")
	rank := limit.Connected
	g := newTestGuard(&rank)
	g.at = r.homes.rank
	from := func(format string, n any) bool {
		c, err := g.OpenConnection(network.DirInbound, true, multiaddr.StringCast(fmt.Sprintf("/ip4/"+format+"/tcp/4619", n)))
		if err == nil {
			t.Cleanup(c.Done)
		}
		return err == nil
	}
	for i := range 250 {
		for from("%d.0.2.1", i+1) {
		}
	}
	for at, home := range map[int]bool{1: true, 2: true, 3: false, 4: true, 5: false} {
		n := 0
		for n < 8 && from("198.51.100.%d", at) {
			n++
		}
		if (n == 8) != home {
			t.Errorf("at 198.51.100.%d: %d are let in", at, n)
		}
	}
}

// TestAGuardForgets whatever has ended, in whichever order.
func TestAGuardForgets(t *testing.T) {
	rank := limit.Connected
	g := newTestGuard(&rank)
	var conns []*connScope
	for _, dir := range []network.Direction{network.DirInbound, network.DirOutbound, network.DirInbound} {
		conns = append(conns, arrive(t, g, dir))
	}
	conns[0].Done() // before its peer is known
	if err := conns[0].SetPeer("late"); err != nil {
		t.Fatal(err)
	}
	for _, c := range conns[1:] {
		if err := c.SetPeer("other"); err != nil {
			t.Fatal(err)
		}
	}
	stream, err := g.OpenStream("other", network.DirInbound)
	if err != nil {
		t.Fatal(err)
	}
	if g.handshakes.Len() != 0 || g.conns.Len() != 2 || g.streams.Len() != 1 || len(g.peers) != 1 {
		t.Errorf("%d handshakes, %d connections, %d streams of %d peers", g.handshakes.Len(), g.conns.Len(), g.streams.Len(), len(g.peers))
	}
	rank = limit.Member
	g.raise("other")
	for _, c := range conns {
		c.Done()
		c.Done()
	}
	stream.Done()
	stream.Done()
	if g.handshakes.Len() != 0 || g.conns.Len() != 0 || g.streams.Len() != 0 || len(g.peers) != 0 {
		t.Errorf("%d handshakes, %d connections, %d streams of %d peers are left", g.handshakes.Len(), g.conns.Len(), g.streams.Len(), len(g.peers))
	}
}
