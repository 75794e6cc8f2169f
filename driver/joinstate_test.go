package driver_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
)

// TestANewRegistryTakesTheState joins a swarm with more changes than are read as history, over a link
// that is cut meanwhile: what it answers first is whole, and it goes on as any other.
func TestANewRegistryTakesTheState(t *testing.T) {
	t.Parallel()
	const tags, changes = 300, 1100
	key := drivertest.Key(t)
	a, link := drivertest.StartLinked(t, drivertest.Parameters(t, key))
	for i := range changes {
		put(t, a, tagLink("a", fmt.Sprintf("t%d", i%tags)), fmt.Sprint("sha256:", i))
	}
	if err := a.Delete(t.Context(), tagsDir+"/t7"); err != nil {
		t.Fatal(err)
	}
	p := drivertest.Parameters(t, key)
	p.Bootstrappers, p.AloneTimeout, p.SyncTimeout = a.Addresses(), time.Hour, time.Minute
	link.Throttle(20 << 10)
	b := drivertest.Start(t, p)
	drivertest.Await(t, "the status says that a state is on its way", func() bool {
		taking := b.Status(t.Context()).Map.Taking
		return taking != nil && taking.From == a.Identity().PeerID && taking.Of == tags-1 && taking.Paths > 0
	})
	link.Cut(true)
	link.Cut(false)
	names, err := b.List(asRequest(t, http.MethodGet, "vars.name"), tagsDir)
	if err != nil || len(names) != tags-1 {
		t.Fatalf("%d of %d tags: %v", len(names), tags-1, err)
	}
	link.Throttle(0)
	if got, want := b.Status(t.Context()).Map.Digest, a.Status(t.Context()).Map.Digest; got != want {
		t.Errorf("its map is another: %s, not %s", got, want)
	}
	put(t, b, tagLink("a", "t8"), "sha256:later")
	if err := b.Delete(t.Context(), tagsDir+"/t9"); err != nil {
		t.Fatal(err)
	}
	drivertest.Await(t, "the others see what it wrote", func() bool {
		return a.Status(t.Context()).Map.Digest == b.Status(t.Context()).Map.Digest
	})
	if names, err = a.List(t.Context(), tagsDir); err != nil || len(names) != tags-2 {
		t.Errorf("%d of %d tags: %v", len(names), tags-2, err)
	}
}
