package driver_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
)

// TestTheStatusOfASwarm asks a swarm of three. One lacks changes, which the registry that is asked
// tells nobody. One is connected, and says nothing any more: it is shown with what its heartbeats
// said, and keeps nobody from being shown.
func TestTheStatusOfASwarm(t *testing.T) {
	t.Parallel()
	key := drivertest.Key(t)
	named := func(name string, bootstrappers []string) driver.Parameters {
		p := drivertest.Parameters(t, key)
		p.Name, p.Bootstrappers = name, bootstrappers
		return p
	}
	b, link := drivertest.StartLinked(t, named("silent", nil))
	a := drivertest.Start(t, named("asked", b.Addresses()), drivertest.OpenedBy(driver.Untold))
	c := drivertest.Start(t, named("behind", slices.Concat(a.Addresses(), b.Addresses())))
	drivertest.AwaitMesh(t, a, b, c)
	const lacks = 5
	for i := range lacks {
		put(t, a, fmt.Sprintf("/p%d", i), "x")
	}
	var of map[string]driver.SwarmMember
	ask := func(m *drivertest.Member) {
		t.Helper()
		s, err := driver.NewClient(m.Params).Swarm(t.Context())
		must(t, err)
		of = map[string]driver.SwarmMember{}
		for _, m := range s.Members {
			of[m.Name] = m
		}
		if len(s.Members) != 3 || !s.Members[0].Self || s.Members[0].PeerID != m.Identity().PeerID {
			t.Fatalf("members: %+v", s.Members)
		}
	}
	whole := func(name string) bool {
		m := of[name]
		return m.Trouble == "" && m.Connected && m.Version != "" && m.UpSince != nil && m.Kept != nil && m.Cache != nil && m.OnlyHere != nil &&
			m.FreeBytes != nil && m.Transfers != nil && m.RateIn != nil && m.RateOut != nil && m.Map != nil
	}
	drivertest.Await(t, "all have counted and asked what they have, and answer", func() bool {
		ask(a)
		met := func(name string) bool { return len(of[name].ConnectedTo) == 2 }
		return whole("asked") && whole("silent") && whole("behind") && met("asked") && met("silent") && met("behind")
	})
	ask(c)
	if m := of["asked"]; m.Map == nil || m.Map.State != "other" {
		t.Errorf("as it is seen by one that lacks changes: %+v", m)
	}
	link.Blackhole(true)
	ask(a)
	if m := of["silent"]; m.Trouble == "" || m.Version == "" || m.FreeBytes == nil || m.UpSince != nil || m.Map != nil || m.ConnectedTo != nil {
		t.Errorf("the silent one: %+v", m)
	}
	if m := of["behind"]; !whole("behind") || m.Map.State != "behind" || m.Map.Behind != lacks || m.Map.AtLeast {
		t.Errorf("the one behind: %+v %+v", m, m.Map)
	}
	if m := of["asked"]; !whole("asked") || m.Map.State != "same" || m.Map.Entries != lacks {
		t.Errorf("the one that is asked: %+v %+v", m, m.Map)
	}
	for name, m := range of {
		if d := m.Ahead; d != nil && d.Abs() > time.Minute { // they have one clock
			t.Errorf("the clock of %s is ahead by %s", name, d)
		}
	}
}

// TestTheStatusOfASwarmIsForTrustedMembers: a member is not told by one that does not trust it.
func TestTheStatusOfASwarmIsForTrustedMembers(t *testing.T) {
	t.Parallel()
	key := drivertest.Key(t)
	p := drivertest.Parameters(t, key)
	id, err := driver.Identify(t.Context(), p)
	must(t, err)
	p.TrustedPeers = []string{id.PeerID}
	trusted := drivertest.Start(t, p)
	p = drivertest.Parameters(t, key)
	p.Bootstrappers = trusted.Addresses()
	stranger := drivertest.Start(t, p)
	drivertest.AwaitMesh(t, trusted, stranger)
	for asked, why := range map[*drivertest.Member]string{stranger: "does not trust this registry", trusted: "is not trusted"} {
		drivertest.Await(t, "it has said what it understands", func() bool {
			s := asked.Swarm(t.Context())
			return len(s.Members) == 2 && strings.Contains(s.Members[1].Trouble, why) && s.Members[1].Map == nil
		})
	}
}

// TestTheLastErrorOfARegistry is told to members: a warning in its own log, and no other's.
func TestTheLastErrorOfARegistry(t *testing.T) {
	t.Parallel()
	c := drivertest.Cluster(t, 2)
	c[1].Warn("the disk hums", "at a high pitch")
	drivertest.Await(t, "it is told", func() bool {
		m := c[0].Swarm(t.Context()).Members
		return len(m) == 2 && m[0].LastError == nil && m[1].LastError != nil && m[1].LastError.Text == "the disk hums: at a high pitch"
	})
}
