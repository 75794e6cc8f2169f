package driver_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/opencontainers/go-digest"
	"github.com/sirupsen/logrus/hooks/test"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/smalldisk"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/replica/place"
)

// keeping changes the parameters of the i-th registry.
type keeping func(i int, p *driver.Parameters)

// keepers starts registries that keep copies of each blob, with the same capacity and no zone
// unless changed, and waits until each knows what the others keep.
func keepers(t *testing.T, n int, replicas driver.Copies, changed ...keeping) []*drivertest.Member {
	t.Helper()
	return keepersBy(t, driver.New, n, replicas, changed...)
}

// keepersBy is keepers with another way of opening a driver.
func keepersBy(t *testing.T, open drivertest.Opener, n int, replicas driver.Copies, changed ...keeping) []*drivertest.Member {
	t.Helper()
	key := drivertest.Key(t)
	var all []*drivertest.Member
	for i := range n {
		p := drivertest.Parameters(t, key)
		p.Replicas, p.Capacity, p.RepairDelay = replicas, 1e12, 8*time.Second
		for _, change := range changed {
			change(i, &p)
		}
		if i > 0 {
			p.Bootstrappers = all[0].Addresses()
		}
		all = append(all, drivertest.Start(t, p, drivertest.OpenedBy(open)))
	}
	awaitKnown(t, all...)
	return all
}

// awaitKnown waits until the registries are connected, have heard each other's capacity, and
// have known each other for long enough to place blobs.
func awaitKnown(t *testing.T, all ...*drivertest.Member) {
	t.Helper()
	drivertest.AwaitMesh(t, all...)
	keep := 0
	for _, m := range all {
		if m.Params.Capacity > 0 {
			keep++
		}
	}
	drivertest.Await(t, "each knows what the others keep, and places blobs accordingly", func() bool {
		for _, m := range all {
			for _, o := range m.Status(t.Context()).Members {
				if o.Connected && o.Capacity == nil {
					return false
				}
			}
			if m.Keepers() != keep {
				return false
			}
		}
		return true
	})
}

// placed gives those of the registries that are to keep a blob.
func placed(t *testing.T, content []byte, copies driver.Copies, all ...*drivertest.Member) (keepers []*drivertest.Member) {
	t.Helper()
	return placedPath(t, pathOf(content), copies, all...)
}

func placedPath(t *testing.T, path string, copies driver.Copies, all ...*drivertest.Member) (keepers []*drivertest.Member) {
	t.Helper()
	var members []place.Member
	for _, m := range all {
		id, err := peer.Decode(m.Identity().PeerID)
		if err != nil {
			t.Fatal(err)
		}
		members = append(members, place.Member{ID: id, Zone: m.Params.Zone, Capacity: int64(m.Params.Capacity)})
	}
	c, _ := all[0].Blob(path)
	for _, id := range place.NewView(members).Keepers(nil, c, int(copies)) {
		i := slices.IndexFunc(members, func(m place.Member) bool { return m.ID == id })
		keepers = append(keepers, all[i])
	}
	return keepers
}

func pathOf(content []byte) string { return blobPath(digest.FromBytes(content)) }

func has(m *drivertest.Member, content []byte) bool {
	_, here := m.Blob(pathOf(content))
	return here
}

// pushKept pushes blobs to a registry, and waits until all others have heard of them and keep
// exactly those that are theirs.
func pushKept(t *testing.T, to *drivertest.Member, blobs int, copies driver.Copies, all ...*drivertest.Member) (contents [][]byte) {
	t.Helper()
	for i := range blobs {
		content := randomBytes(t, 1000+i%6<<18) // of one leaf, and of several
		pushBlob(t, to, content)
		contents = append(contents, content)
	}
	requireKept(t, to, contents, copies, all...)
	return contents
}

func requireKept(t *testing.T, pushed *drivertest.Member, contents [][]byte, copies driver.Copies, all ...*drivertest.Member) {
	t.Helper()
	drivertest.AwaitAgreement(t, all...)
	for i, content := range contents {
		keepers := placed(t, content, copies, all...)
		drivertest.Await(t, fmt.Sprintf("blob %d is with its keepers", i), func() bool {
			return !slices.ContainsFunc(keepers, func(m *drivertest.Member) bool { return !has(m, content) })
		})
	}
	drivertest.Await(t, "nothing is to come", func() bool { return pending(t, all...) == 0 })
	for i, content := range contents {
		keepers := placed(t, content, copies, all...)
		for k, m := range all {
			if m != pushed && has(m, content) && !slices.Contains(keepers, m) {
				t.Errorf("blob %d is on registry %d, which is no keeper of it", i, k)
			}
		}
	}
}

func pending(t *testing.T, all ...*drivertest.Member) (n int) {
	for _, m := range all {
		n += m.Status(t.Context()).Copies.Pending
	}
	return n
}

// TestKeepersFetchByThemselves: a blob that was pushed to one registry is soon on those that
// are to keep it, and on no other, and is served when the first is gone.
func TestKeepersFetchByThemselves(t *testing.T) {
	t.Parallel()
	all := keepers(t, 3, 2)
	contents := pushKept(t, all[0], 8, 2, all...)
	for i, m := range all {
		drivertest.Await(t, fmt.Sprintf("registry %d says what it keeps", i), func() bool {
			c := m.Status(t.Context()).Copies
			return c.Kept > 0 && c.KeptBytes > 0 && c.Pending+c.Failed == 0 && c.Hold == "" && c.Replicas == "2"
		})
	}
	all[0].Stop()
	for _, content := range contents {
		for _, m := range all[1:] {
			if got := get(t, m, pathOf(content)); !bytes.Equal(got, content) {
				t.Fatal("other bytes")
			}
		}
	}
}

// TestOneThatIsAddedTakesItsShare of blobs that were there before.
func TestOneThatIsAddedTakesItsShare(t *testing.T) {
	t.Parallel()
	all := keepers(t, 2, 1)
	contents := pushKept(t, all[0], 12, 1, all...)
	p := drivertest.Parameters(t, all[0].Params.ProtectorKey)
	p.Replicas, p.Capacity, p.RepairDelay, p.Bootstrappers = 1, 1e12, 8*time.Second, all[0].Addresses()
	added := drivertest.Start(t, p)
	now := append(slices.Clone(all), added)
	awaitKnown(t, now...)
	share := 0
	for i, content := range contents {
		if placed(t, content, 1, now...)[0] == added {
			share++
			drivertest.Await(t, fmt.Sprintf("blob %d moves to it", i), func() bool { return has(added, content) })
		}
	}
	drivertest.Await(t, "nothing is to come", func() bool { return pending(t, now...) == 0 })
	if here := added.Status(t.Context()).Blobs.Here; here != share {
		t.Errorf("%d blobs are on the new registry, and %d are its share", here, share)
	}
}

// TestZonesAndCaches: each zone has a copy of each blob, and a registry of capacity 0 none.
func TestZonesAndCaches(t *testing.T) {
	t.Parallel()
	all := keepers(t, 4, 2, func(i int, p *driver.Parameters) {
		p.Zone = []string{"cellar", "attic", "attic", "attic"}[i]
		if i == 3 {
			p.Capacity = 0
		}
	})
	contents := pushKept(t, all[3], 6, 2, all...)
	for i, content := range contents {
		if !has(all[0], content) || has(all[1], content) == has(all[2], content) {
			t.Errorf("blob %d is not once in each zone", i)
		}
	}
	if c := all[3].Status(t.Context()).Copies; c.Kept != 0 {
		t.Errorf("the cache: %+v", c)
	}
	for _, m := range all[0].Status(t.Context()).Members {
		if i := slices.IndexFunc(all, func(o *drivertest.Member) bool { return o.Identity().PeerID == m.PeerID }); m.Zone != "attic" ||
			*m.Capacity != int64(all[i].Params.Capacity) || *m.FreeBytes == 0 {
			t.Errorf("member %d: %+v", i, m)
		}
	}
}

// TestAllKeepEverything with replicas: all.
func TestAllKeepEverything(t *testing.T) {
	t.Parallel()
	all := keepers(t, 3, driver.Everywhere)
	for i, content := range pushKept(t, all[1], 4, driver.Everywhere, all...) {
		for k, m := range all {
			if !has(m, content) {
				t.Errorf("blob %d is not on registry %d", i, k)
			}
		}
	}
}

// TestTwoKeepByDefault: a swarm of two is two of everything.
func TestTwoKeepByDefault(t *testing.T) {
	t.Parallel()
	all := keepers(t, 2, driver.DefaultParameters().Replicas)
	for i, content := range pushKept(t, all[0], 4, 2, all...) {
		if !has(all[0], content) || !has(all[1], content) {
			t.Errorf("blob %d is not on both", i)
		}
	}
}

// TestNobodyKeepsWithoutReplicas, and members are told so.
func TestNobodyKeepsWithoutReplicas(t *testing.T) {
	t.Parallel()
	all := drivertest.Cluster(t, 2)
	content := randomBytes(t, 1000)
	pushBlob(t, all[0], content)
	drivertest.AwaitAgreement(t, all...)
	drivertest.Await(t, "the other has heard what it keeps", func() bool { return all[1].Status(t.Context()).Members[0].Capacity != nil })
	s := all[1].Status(t.Context())
	if s.Copies != (driver.CopiesStatus{Replicas: "0"}) || s.Blobs.Here != 0 || *s.Members[0].Capacity != 0 {
		t.Errorf("%+v %+v, capacity %d", s.Copies, s.Blobs, *s.Members[0].Capacity)
	}
}

// TestNewKeepersForOneThatIsGone: once it has been away for longer than repairdelay, and not
// before.
func TestNewKeepersForOneThatIsGone(t *testing.T) {
	t.Parallel()
	all := keepers(t, 4, 2)
	contents := pushKept(t, all[0], 30, 2, all...)
	here := func() (n []int) {
		for _, m := range all[:3] {
			n = append(n, m.Status(t.Context()).Blobs.Here)
		}
		return n
	}
	before, began := here(), time.Now()
	all[3].Stop()
	all[3].Restart()
	awaitKnown(t, all...)
	// On a machine that is so busy that it was away for longer, blobs rightly move.
	if now := here(); time.Since(began) < all[0].Params.RepairDelay && !slices.Equal(now, before) {
		t.Errorf("a blip moved blobs: there were %d, and are %d", before, now)
	}
	all[3].Stop()
	rest := all[:3]
	for i, content := range contents {
		keepers := placed(t, content, 2, rest...)
		drivertest.Await(t, fmt.Sprintf("blob %d has two keepers among the others", i), func() bool {
			return has(keepers[0], content) && has(keepers[1], content)
		})
	}
	if now := here(); slices.Equal(now, before) {
		t.Error("there was nothing to move")
	}
}

// TestManyAwayMoveNothing: where more than a third of the registries are away, those that are
// here keep what they kept, and say so once.
func TestManyAwayMoveNothing(t *testing.T) {
	t.Parallel()
	var hook test.Hook
	key := drivertest.Key(t)
	p := drivertest.Parameters(t, key)
	p.Replicas, p.Capacity, p.RepairDelay, p.LogLevel = 1, 1e12, 6*time.Second, "warn"
	first := drivertest.Start(t, p, drivertest.OpenedBy(driver.Logged(&hook)))
	p.Bootstrappers = first.Addresses()
	all := []*drivertest.Member{first}
	for range 2 {
		p.DatastorePath = t.TempDir()
		all = append(all, drivertest.Start(t, p))
	}
	awaitKnown(t, all...)
	pushKept(t, all[1], 8, 1, all...)
	before := first.Status(t.Context()).Blobs.Here
	all[1].Stop()
	all[2].Stop()
	drivertest.Await(t, "status says why", func() bool {
		return strings.Contains(first.Status(t.Context()).Copies.Hold, "2 of 3 registries that keep blobs are away")
	})
	pushed := randomBytes(t, 1000)
	pushBlob(t, first, pushed)
	if s := first.Status(t.Context()); s.Blobs.Here != before+1 || s.Copies.Failed != 0 {
		t.Errorf("%+v %+v", s.Blobs, s.Copies)
	}
	drivertest.Await(t, "it is logged", func() bool { return timesLogged(&hook, "more than a third") == 1 })
	all[1].Restart()
	drivertest.Await(t, "one comes back", func() bool { return first.Status(t.Context()).Copies.Hold == "" })
	if n := timesLogged(&hook, "more than a third"); n != 1 {
		t.Errorf("said %d times", n)
	}
}

// timesLogged counts what a registry logged with some text.
func timesLogged(hook *test.Hook, text string) (n int) {
	for _, e := range hook.AllEntries() {
		if strings.Contains(e.Message, text) {
			n++
		}
	}
	return n
}

// TestFullDiskStopsKeeping, says so once, and serves on.
func TestFullDiskStopsKeeping(t *testing.T) {
	var hook test.Hook
	key := drivertest.Key(t)
	p := drivertest.Parameters(t, key)
	p.Replicas, p.Capacity = driver.Everywhere, 1e12
	p.RepairDelay = 2 * time.Second
	a := drivertest.Start(t, p)
	p.Bootstrappers = a.Addresses()
	p.DatastorePath, p.LogLevel = smalldisk.Mount(t, t.TempDir(), "size=336m"), "warn"
	b := drivertest.Start(t, p, drivertest.OpenedBy(driver.Logged(&hook)))
	awaitKnown(t, a, b)
	smalldisk.Fill(t, p.DatastorePath, 128<<20)
	var contents [][]byte
	for range 6 {
		contents = append(contents, randomBytes(t, 16<<20))
		pushBlob(t, a, contents[len(contents)-1])
	}
	drivertest.Await(t, "the disk of one is full", func() bool {
		c := b.Status(context.Background()).Copies
		return c.Full && c.Failed > 0 && c.Pending > 0 && c.Lacking > 0
	})
	for _, content := range contents {
		if got := get(t, b, pathOf(content)); !bytes.Equal(got, content) {
			t.Fatal("other bytes")
		}
	}
	if n := timesLogged(&hook, "no room for copies"); n != 1 {
		t.Errorf("said %d times that there is no room for copies", n)
	}
	if n := timesLogged(&hook, "no room can be made"); n > 1 {
		t.Errorf("said %d times that no room can be made", n)
	}
}
