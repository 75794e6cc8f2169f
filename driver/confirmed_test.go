package driver_test

import (
	"slices"
	"testing"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/attacker"
)

// confirmed are the peer IDs of the members in a registry's status, by whether they are confirmed.
func confirmed(t *testing.T, m *drivertest.Member) map[string]bool {
	t.Helper()
	of := map[string]bool{}
	for _, o := range m.Status(t.Context()).Members {
		of[o.PeerID] = o.Confirmed
	}
	return of
}

// TestMembersAreConfirmed once their paths are known to be here, whether there are any or not.
// One that has nothing to offer is a member while it is connected, and is not missed afterwards.
func TestMembersAreConfirmed(t *testing.T) {
	members := drivertest.Cluster(t, 2)
	a, b := members[0], members[1]
	drivertest.Await(t, "both are confirmed without any path", func() bool {
		return confirmed(t, a)[b.Identity().PeerID] && confirmed(t, b)[a.Identity().PeerID]
	})
	pushBlob(t, a, []byte("something"))
	p := drivertest.Parameters(t, a.Params.ProtectorKey)
	p.Bootstrappers = a.Addresses()
	c := drivertest.Start(t, p)
	drivertest.AwaitMesh(t, append(members, c)...)
	drivertest.Await(t, "so is a newcomer", func() bool {
		return confirmed(t, a)[c.Identity().PeerID] && confirmed(t, c)[b.Identity().PeerID]
	})

	target, err := attacker.TargetAt(a.Addresses()...)
	if err != nil {
		t.Fatal(err)
	}
	liar, err := attacker.New(attacker.Config{Key: a.Params.ProtectorKey, Topic: "ipfs-registry"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(liar.Close)
	if err := liar.Join(t.Context(), target); err != nil {
		t.Fatal(err)
	}
	id := liar.ID().String()
	drivertest.Await(t, "the liar is a member", func() bool { _, ok := confirmed(t, a)[id]; return ok })
	if confirmed(t, a)[id] {
		t.Error("it is confirmed")
	}
	liar.Close()
	drivertest.Await(t, "it is not missed", func() bool { _, ok := confirmed(t, a)[id]; return !ok })
	if !slices.ContainsFunc(a.Status(t.Context()).Members, func(m driver.Member) bool { return m.PeerID == c.Identity().PeerID }) {
		t.Error("others are gone, too")
	}
}
