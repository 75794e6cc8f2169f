package driver_test

import (
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/crane"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/opencontainers/go-digest"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
)

// TestASilentHolder is connected, and says nothing of its blobs: nobody is told that they are
// unknown who would have to give up a push. Those who can push them again are asked to.
func TestASilentHolder(t *testing.T) {
	t.Parallel()
	key := drivertest.Key(t)
	mute := &driver.Mute{}
	p := drivertest.Parameters(t, key)
	p.DataAddrs, p.Replicas = nil, 0 // or blobs would be asked for there, and fetched before
	a := drivertest.Start(t, p, drivertest.OpenedBy(mute.Open))
	p = drivertest.Parameters(t, key)
	p.Bootstrappers, p.Replicas = a.Addresses(), 0
	p.FetchTimeout, p.SyncTimeout = 2*time.Second, time.Second
	b := drivertest.Start(t, p)
	drivertest.AwaitMesh(t, a, b)
	img, err := random.Image(5<<20, 1) // beyond what counts as a manifest, and is fetched
	must(t, err)
	image := newPushed(t, img)
	must(t, crane.Push(img, served(t, a)+"/a:1", crane.Insecure))
	drivertest.AwaitAgreement(t, a, b)
	config, err := img.ConfigName()
	must(t, err)
	drivertest.Await(t, "what is small is on both", func() bool { return b.Status(t.Context()).Blobs.Here == 2 })

	mute.On.Store(true)
	a.Stop()
	a.Restart()
	drivertest.AwaitMesh(t, a, b)
	host := served(t, b)
	index, err := mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: img}).RawManifest()
	must(t, err)
	manifest, err := img.RawManifest()
	must(t, err)
	for name, push := range map[string]func() int{
		"layer of a manifest":  func() int { return putAny(t, host, types.DockerManifestSchema2, manifest) },
		"layer of a child":     func() int { return putAny(t, host, types.OCIImageIndex, index) },
		"layer of what is had": func() int { return ask(t, http.MethodHead, host, "/v2/a/manifests/1") },
	} {
		if got := push(); got != http.StatusServiceUnavailable {
			t.Errorf("%s: %d", name, got)
		}
	}
	mustAsk(t, http.StatusNotFound, http.MethodHead, host, "/v2/a/blobs/"+image.layer.String())
	mustAsk(t, http.StatusAccepted, http.MethodPost, host, "/v2/b/blobs/uploads/?from=a&mount="+image.layer.String())
	must(t, os.Remove(fileOf(t, b, blobPath(digest.Digest(config.String())))))
	if got := putAny(t, host, types.DockerManifestSchema2, manifest); got != http.StatusServiceUnavailable {
		t.Errorf("config of a manifest: %d", got)
	}

	mute.On.Store(false)
	a.Stop()
	a.Restart()
	drivertest.AwaitMesh(t, a, b)
	for kind, content := range map[types.MediaType][]byte{types.DockerManifestSchema2: manifest, types.OCIImageIndex: index} {
		drivertest.Await(t, "it speaks again in time, and a push is taken", func() bool {
			return putAny(t, host, kind, content) == http.StatusCreated
		})
	}
}
