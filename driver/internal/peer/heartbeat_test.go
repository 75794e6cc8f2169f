package peer_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ipfs/go-datastore"
	"github.com/libp2p/go-libp2p/core/discovery"
	libpeer "github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
	"github.com/sirupsen/logrus"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer"
)

// saysOf is what a station has heard from another, and as what it knows it.
func (s *station) saysOf(t *testing.T, other *station) (peer.Member, peer.Heartbeat) {
	t.Helper()
	for _, m := range s.Members() {
		if m.ID == other.id(t) {
			if m.Heartbeat == nil {
				return m, peer.Heartbeat{Capacity: -1}
			}
			return m, *m.Heartbeat
		}
	}
	return peer.Member{}, peer.Heartbeat{Capacity: -1}
}

// beats makes a station send heartbeats.
func beats(zone string, capacity int64, now func() peer.Changing) func(*peer.Config) {
	return func(c *peer.Config) {
		c.Version, c.Zone, c.Capacity, c.Changing = "v1.2.3", zone, capacity, now
	}
}

func always(free int64, draining bool) func() peer.Changing {
	return func() peer.Changing { return peer.Changing{Free: free, Draining: draining} }
}

// run is the number of a station's run.
func (s *station) run(t testing.TB) string {
	t.Helper()
	b, err := s.store.Get(t.Context(), datastore.NewKey("/peer/run"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestHeartbeats: members know of each other what each says of itself, and soon what changes.
// A member of an earlier release says nothing.
func TestHeartbeats(t *testing.T) {
	a, b, old := newStation(t), newStation(t), newStation(t)
	var draining atomic.Bool
	a.start(t, beats("north", 1000, always(10, false)))
	boot := via(a.info(t, stripped(t, a)...))
	b.start(t, both(boot,
		beats("south", 2000, func() peer.Changing { return peer.Changing{Free: 20, Draining: draining.Load()} }),
		func(c *peer.Config) { c.Name, c.Capabilities = "b", []string{"replicas"} }))
	old.start(t, boot)
	meet(t, a, b, old)
	for _, s := range []*station{a, old} {
		eventually(t, "they hear b", func() bool { _, h := s.saysOf(t, b); return h.Capacity == 2000 })
		m, h := s.saysOf(t, b)
		if time.Since(h.Heard) > within || h.Heard.IsZero() {
			t.Errorf("heard at %s", h.Heard)
		}
		if h.Keys != [2]string{b.KeyFingerprints()[0]} {
			t.Errorf("keys %q, not %q", h.Keys, b.KeyFingerprints())
		}
		h.Heard, h.Keys = time.Time{}, [2]string{}
		if want := (peer.Heartbeat{Version: "v1.2.3", Zone: "south", Capacity: 2000, Free: 20}); h != want || m.Name != "b" || !slices.Equal(m.Capabilities, []string{"replicas"}) {
			t.Errorf("%+v, %+v", m, h)
		}
	}
	eventually(t, "b hears a", func() bool { _, h := b.saysOf(t, a); return h.Capacity == 1000 && h.Zone == "north" })
	draining.Store(true)
	b.Changed()
	for _, s := range []*station{a, old} {
		eventually(t, "they hear of the change", func() bool { _, h := s.saysOf(t, b); return h.Draining })
	}
	// What comes by the topic, with fields of a later release.
	sent := fmt.Sprintf(`{"format":1,"run":%s,"seq":1000000,"capacity":3000,"free":1,"color":"blue"}`, b.run(t))
	eventually(t, "a hears it", func() bool {
		if err := b.PublishHeartbeat([]byte(sent)); err != nil {
			t.Error(err)
		}
		_, h := a.saysOf(t, b)
		return h.Capacity == 3000 && !h.Draining
	})
	if m, _ := a.saysOf(t, old); m.Heartbeat != nil || !m.Connected || m.Away != 0 {
		t.Errorf("of an earlier release: %+v", m)
	}
	// What was heard outlives a restart, though b is away.
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	restart(t, a, func() { a.start(t, nil) })
	m, h := a.saysOf(t, b)
	if h.Capacity != 3000 || !h.Heard.IsZero() || m.Connected || m.Away <= 0 {
		t.Errorf("after a restart: %+v, %+v", m, h)
	}
	v, err := a.store.Get(t.Context(), datastore.NewKey("/peer/members/"+b.id(t).String()))
	if err != nil || !strings.Contains(string(v), `"color":"blue"`) || !json.Valid(v) {
		t.Errorf("the field of a later release: %s, %v", v, err)
	}
}

// TestHeartbeatsOfAnotherRelease: a member that is upgraded is heard, and one that goes back to
// an earlier release says nothing again.
func TestHeartbeatsOfAnotherRelease(t *testing.T) {
	a, b := newStation(t), newStation(t)
	a.start(t, nil)
	boot := via(a.info(t, stripped(t, a)...))
	for round, says := range []bool{false, true, false, true} {
		change, want := boot, int64(-1)
		if says {
			change, want = both(boot, beats("", 0, always(5, false))), 0
		}
		b.start(t, change)
		meet(t, a, b)
		eventually(t, fmt.Sprintf("a knows what b says, round %d", round), func() bool { _, h := a.saysOf(t, b); return h.Capacity == want })
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "b is away", func() bool { return !a.IsMember(b.id(t)) })
	}
}

// TestHeartbeatsOfTheUntrusted do not count, whichever way they come.
func TestHeartbeatsOfTheUntrusted(t *testing.T) {
	a, b, c := newStation(t), newStation(t), newStation(t)
	trusting := func(cfg *peer.Config) { cfg.Trusted = []libpeer.ID{a.id(t), c.id(t)} }
	a.start(t, both(trusting, beats("", 1, always(0, false))))
	boot := via(a.info(t, stripped(t, a)...))
	b.start(t, both(boot, beats("", 2, always(0, false))))
	c.start(t, both(boot, trusting, beats("", 3, always(0, false))))
	meet(t, a, b, c)
	eventually(t, "what the untrusted one publishes reaches a", func() bool {
		if _, h := a.saysOf(t, b); h.Capacity != -1 {
			t.Fatalf("the untrusted one has a capacity of %d", h.Capacity)
		}
		for range 5 {
			if err := b.PublishHeartbeat([]byte(`{"format":1,"run":1,"seq":1,"capacity":4,"free":0}`)); err != nil {
				t.Error(err)
			}
		}
		if err := b.Publish(t.Context(), []byte("as a sign")); err != nil {
			t.Error(err)
		}
		return strings.Contains(strings.Join(a.logged(logrus.InfoLevel), "\n"), "changes published by this peer are ignored")
	})
	eventually(t, "those that are trusted are heard by all", func() bool {
		_, aOfC := a.saysOf(t, c)
		_, bOfC := b.saysOf(t, c)
		_, cOfA := c.saysOf(t, a)
		return aOfC.Capacity == 3 && bOfC.Capacity == 3 && cOfA.Capacity == 1
	})
	for _, s := range []*station{a, c} {
		eventually(t, "the hello of the untrusted one was heard", func() bool { m, _ := s.saysOf(t, b); return m.TrustDiffers })
		if _, h := s.saysOf(t, b); h.Capacity != -1 {
			t.Errorf("the untrusted one has a capacity of %d", h.Capacity)
		}
	}
}

// asked notes what it is asked for.
type asked []string

func (a *asked) Advertise(_ context.Context, ns string, _ ...discovery.Option) (time.Duration, error) {
	*a = append(*a, ns)
	return time.Minute, nil
}

func (a *asked) FindPeers(_ context.Context, ns string, _ ...discovery.Option) (<-chan libpeer.AddrInfo, error) {
	*a = append(*a, ns)
	found := make(chan libpeer.AddrInfo, 1)
	found <- libpeer.AddrInfo{}
	close(found)
	return found, nil
}

// TestPublicNetworkIsAskedOnce: peers are looked for by one of the two topics.
func TestPublicNetworkIsAskedOnce(t *testing.T) {
	for _, topic := range []string{testTopic, "my/heartbeats"} {
		var a asked
		d := peer.DiscoverMembers(&a, topic)
		for _, c := range []struct {
			ns    string
			peers int
		}{{"floodsub:" + topic, 1}, {"floodsub:" + topic + "/heartbeats", 0}} {
			if again, err := d.Advertise(t.Context(), c.ns); err != nil || again < time.Minute {
				t.Errorf("%s: %s, %v", c.ns, again, err)
			}
			found, err := d.FindPeers(t.Context(), c.ns)
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for range found {
				n++
			}
			if n != c.peers {
				t.Errorf("%s: %d peers", c.ns, n)
			}
		}
		if want := []string{"floodsub:" + topic, "floodsub:" + topic}; !slices.Equal(a, want) {
			t.Errorf("asked for %q", a)
		}
	}
}

// TestWhatHeartbeatsMayNotSay is refused at the start.
func TestWhatHeartbeatsMayNotSay(t *testing.T) {
	for i, change := range []func(*peer.Config){
		func(c *peer.Config) { c.Zone = "a\nb" }, func(c *peer.Config) { c.Version = strings.Repeat("v", 65) }, func(c *peer.Config) { c.Capacity = -1 },
	} {
		if err := newStation(t).make(t, both(change, func(c *peer.Config) { c.Listen = []multiaddr.Multiaddr{} })); err == nil {
			t.Errorf("%d is accepted", i)
		}
	}
}
