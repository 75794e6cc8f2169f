package driver_test

import (
	"testing"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
)

// TestOnlyOneCounts what is only there, of three registries, until another one has it, too; and
// again when that one goes away.
func TestOnlyOneCounts(t *testing.T) {
	t.Parallel()
	key := drivertest.Key(t)
	often := drivertest.OpenedBy(driver.Surveying(200 * time.Millisecond))
	var all []*drivertest.Member
	for i := range 3 {
		p := drivertest.Parameters(t, key)
		p.Replicas = 0
		if i > 0 {
			p.Bootstrappers = all[0].Addresses()
		}
		all = append(all, drivertest.Start(t, p, often))
	}
	drivertest.AwaitMesh(t, all...)
	content := randomBytes(t, 2*leafSize+5)
	path := pushBlob(t, all[0], content)
	drivertest.AwaitAgreement(t, all...)
	want := driver.BlobSum{Blobs: 1, Bytes: int64(len(content))}
	onlyHere := func(m *drivertest.Member, want driver.BlobSum) func() bool {
		return func() bool {
			c := m.Status(t.Context()).Copies
			return c.Surveyed != nil && c.OnlyHere == want && c.UnderReplicated == driver.BlobSum{}
		}
	}
	drivertest.Await(t, "the first has the only copy", onlyHere(all[0], want))
	for _, m := range all[1:] {
		drivertest.Await(t, "the others have none", onlyHere(m, driver.BlobSum{}))
	}
	requireSame(t, get(t, all[1], path), content)
	for _, m := range all {
		drivertest.Await(t, "no copy is the only one", func() bool {
			return all[1].Status(t.Context()).Blobs.Here == 1 && onlyHere(m, driver.BlobSum{})()
		})
	}
	all[1].Stop()
	drivertest.Await(t, "the first has the only copy again, as far as it knows", onlyHere(all[0], want))
}

// TestTooFewKeep a blob while one of its keepers is away.
func TestTooFewKeep(t *testing.T) {
	t.Parallel()
	all := keepersBy(t, driver.Surveying(200*time.Millisecond), 4, 2, func(_ int, p *driver.Parameters) { p.RepairDelay = time.Hour })
	contents := pushKept(t, all[0], 3, 2, all...)
	few := func(m *drivertest.Member) int {
		c := m.Status(t.Context()).Copies
		if c.Surveyed == nil {
			return -1
		}
		return c.UnderReplicated.Blobs
	}
	for _, m := range all {
		drivertest.Await(t, "all have their keepers", func() bool { return few(m) == 0 })
	}
	gone := placed(t, contents[0], 2, all...)
	gone[1].Stop()
	drivertest.Await(t, "one is missed", func() bool { return few(gone[0]) > 0 })
	gone[1].Restart()
	drivertest.Await(t, "it is back", func() bool { return few(gone[0]) == 0 })
}
