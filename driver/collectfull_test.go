package driver_test

import (
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/crane"
	"github.com/google/go-containerregistry/pkg/v1/random"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/smalldisk"
)

// TestAFullDiskComesBack: garbage can be collected on a disk on which nothing can be pushed any
// more. Where not even a delete can be written, the collection says so, and removes what
// nothing names already.
func TestAFullDiskComesBack(t *testing.T) {
	t.Parallel()
	p := drivertest.Parameters(t, drivertest.Key(t))
	smalldisk.Mount(t, p.DatastorePath, "size=236m")
	m := drivertest.Start(t, p)
	host := served(t, m)
	grace := time.Duration(0)
	collect := func() (driver.Collection, error) {
		return m.Collect(t.Context(), driver.CollectOptions{Grace: &grace}, func(driver.CollectProgress) {})
	}
	img, err := random.Image(10<<20, 2)
	must(t, err)
	must(t, crane.Push(img, host+"/a:1", crane.Insecure))
	digest, err := img.Digest()
	must(t, err)
	mustAsk(t, http.StatusAccepted, http.MethodDelete, host, "/v2/a/manifests/"+digest.String())
	path := pushBlob(t, m, randomBytes(t, 5<<20))
	file := fileOf(t, m, path)
	must(t, m.Delete(t.Context(), path))

	free := smalldisk.Fill(t, p.DatastorePath, 0)
	got, err := collect()
	if err == nil || got.Deleted.Blobs != 0 || m.Status(t.Context()).Garbage.Deleted != 0 {
		t.Errorf("on a disk that is full: %+v, %v", got, err)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("on a disk that is full, what nothing names is kept")
	}
	free()
	drivertest.Await(t, "the datastore takes writes", func() bool { return m.PutContent(t.Context(), "/x", []byte("x")) == nil })
	smalldisk.Fill(t, p.DatastorePath, 24<<20)
	if got, err := collect(); err != nil || got.Deleted.Blobs < 4 || got.Removed.Bytes < 20<<20 {
		t.Errorf("on a disk without room for pushes: %+v, %v", got, err)
	}
}
