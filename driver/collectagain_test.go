package driver_test

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/crane"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
)

// TestTheOtherCollectsWhereOneDoesNot: whichever of two registries comes first, garbage goes
// when only one of them collects by itself.
func TestTheOtherCollectsWhereOneDoesNot(t *testing.T) {
	for _, off := range []int{0, 1} {
		t.Run([]string{"the first is off", "the second is off"}[off], func(t *testing.T) {
			t.Parallel()
			key := drivertest.Key(t)
			var c []*drivertest.Member
			for i := range 2 {
				p := drivertest.Parameters(t, key)
				p.GC, p.GCGrace = i != off, 2*time.Second // time for a push on a busy machine
				if i > 0 {
					p.Bootstrappers = c[0].Addresses()
				}
				c = append(c, drivertest.Start(t, p, drivertest.OpenedBy(driver.Collecting(100*time.Millisecond))))
			}
			drivertest.AwaitMesh(t, c...)
			host := served(t, c[off])
			img, digest := image(t)
			drivertest.Await(t, "a push is faster than the collector", func() bool {
				return crane.Push(img, host+"/a:1", crane.Insecure) == nil
			})
			mustAsk(t, http.StatusAccepted, http.MethodDelete, host, "/v2/a/manifests/"+digest)
			drivertest.Await(t, "all of the image is deleted", func() bool {
				return c[0].Status(t.Context()).Map.Entries == 0 && c[1].Status(t.Context()).Map.Entries == 0
			})
		})
	}
}

// TestBlobsWithoutTheirDatastoreStay until the others have said what they are: the map of a
// registry that lost its datastore names nothing.
func TestBlobsWithoutTheirDatastoreStay(t *testing.T) {
	t.Parallel()
	c := drivertest.Cluster(t, 2)
	content := randomBytes(t, 2<<20)
	path := pushBlob(t, c[1], content)
	drivertest.AwaitAgreement(t, c...)
	c[0].Stop()
	c[1].Stop()
	must(t, os.RemoveAll(filepath.Join(c[1].Params.DatastorePath, "pebble")))
	c[1].Params.AloneTimeout = time.Millisecond
	c[1].Restart()
	drivertest.Await(t, "it is alone", func() bool { return c[1].Status(t.Context()).Phase == "alone" })
	collect := func() (got driver.Collection) {
		drivertest.Await(t, "it collects, once it has caught up", func() bool {
			grace := time.Duration(0)
			var err error
			got, err = c[1].Collect(t.Context(), driver.CollectOptions{Grace: &grace}, func(driver.CollectProgress) {})
			return err == nil
		})
		return got
	}
	if got := collect(); got.Removed.Blobs != 0 || c[1].Status(t.Context()).Blobs.Here != 1 {
		t.Fatalf("collected: %+v", got)
	}
	c[0].Restart()
	c[1].Stop()
	c[1].Params.Bootstrappers = c[0].Addresses()
	c[1].Restart()
	drivertest.AwaitMesh(t, c...)
	drivertest.AwaitAgreement(t, c...)
	collect()
	got, err := c[1].GetContent(t.Context(), path)
	if err != nil || len(got) != len(content) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}
