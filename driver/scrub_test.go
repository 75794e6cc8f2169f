package driver_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/crane"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/opencontainers/go-digest"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
)

// TestAScrubMends what rots on a registry that nobody reads from, in a run that wrote it.
func TestAScrubMends(t *testing.T) {
	t.Parallel()
	const size, flipped = 5*leafSize + 3, 3*leafSize + 17
	key := drivertest.Key(t)
	a := drivertest.Start(t, drivertest.Parameters(t, key), drivertest.OpenedBy(driver.Scrubbing(time.Second)))
	p := drivertest.Parameters(t, key)
	p.Bootstrappers = a.Addresses()
	b := drivertest.Start(t, p)
	drivertest.AwaitMesh(t, a, b)
	contents, paths := [][]byte{}, []string{}
	for _, n := range []int{size, size, size, size, 2000} {
		contents = append(contents, randomBytes(t, n))
		paths = append(paths, pushBlob(t, a, contents[len(contents)-1]))
		requireSame(t, get(t, b, paths[len(paths)-1]), contents[len(contents)-1])
	}
	for _, content := range contents {
		drivertest.Await(t, "b keeps it", func() bool { return has(b, content) })
	}
	flipBit(t, fileOf(t, a, paths[0]), flipped, true)
	must(t, os.Truncate(fileOf(t, a, paths[1]), flipped))
	must(t, os.Remove(fileOf(t, a, paths[2])))
	flipBit(t, fileOf(t, a, paths[4]), 5, true)
	for i, path := range paths {
		drivertest.Await(t, "it is mended", func() bool {
			got, err := os.ReadFile(fileOf(t, a, path))
			return err == nil && bytes.Equal(got, contents[i])
		})
	}
	var s driver.Status
	t.Cleanup(func() { t.Logf("it says %+v, %+v", s.Scrub, s.Blobs) })
	drivertest.Await(t, "all is told", func() bool {
		s = a.Status(t.Context())
		// What is read in the moment in which it changes is found to be damaged once more, and a lost
		// blob that its keeper fetches before the scrub says so is not one that was mended.
		return s.Blobs.Mended >= 3 && s.Scrub.Damaged >= 3 && s.Scrub.Lost == 1 && len(s.Blobs.Damaged) == 0 && s.Blobs.Missing == 0
	})
}

// TestTheImagesOfWhatNobodyCanMend are in status: of a layer, a config, a manifest, of those
// below an index, and of what only a manifest without a tag needs.
func TestTheImagesOfWhatNobodyCanMend(t *testing.T) {
	t.Parallel()
	p := drivertest.Parameters(t, drivertest.Key(t))
	p.Offline = true
	a := drivertest.Start(t, p, drivertest.OpenedBy(driver.Scrubbing(time.Second)))
	host := served(t, a)
	if d := a.Status(t.Context()).Blobs.Damage; d == nil || len(d) > 0 {
		t.Errorf("it is %+v", d)
	}
	index, err := random.Index(2*leafSize, 1, 2)
	must(t, err)
	ref, err := name.ParseReference(host+"/some/index:all", name.Insecure)
	must(t, err)
	must(t, remote.WriteIndex(ref, index))
	manifests, err := index.IndexManifest()
	must(t, err)
	child, err := index.Image(manifests.Manifests[1].Digest)
	must(t, err)
	childManifest, err := child.Manifest()
	must(t, err)
	img, _ := image(t)
	for _, tag := range []string{"a:1", "a:2", "b:1"} {
		must(t, crane.Push(img, host+"/"+tag, crane.Insecure))
	}
	manifest, err := img.Manifest()
	must(t, err)
	d, err := img.Digest()
	must(t, err)
	untagged, err := random.Image(leafSize+5, 1)
	must(t, err)
	of, err := untagged.Digest()
	must(t, err)
	must(t, crane.Push(untagged, host+"/c@"+of.String(), crane.Insecure))
	alone, err := untagged.Manifest()
	must(t, err)
	want := map[string][]string{
		manifest.Layers[0].Digest.String():      {"a:1", "a:2", "b:1"},
		manifest.Config.Digest.String():         {"a:1", "a:2", "b:1"},
		childManifest.Layers[0].Digest.String(): {"some/index:all"},
		alone.Layers[0].Digest.String():         {"c"},
	}
	a.Stop()
	a.Restart() // the bytes of small blobs leave the datastore, from which they would be mended
	host = served(t, a)
	for digested := range want {
		flipBit(t, fileOf(t, a, blobPath(digest.Digest(digested))), 3, true)
	}
	lost := blobPath(digest.Digest(manifests.Manifests[0].Digest.String()))
	want[manifests.Manifests[0].Digest.String()] = []string{"some/index:all"}
	must(t, os.Remove(fileOf(t, a, lost)))
	drivertest.Await(t, "status names the images", func() bool { return fmt.Sprint(needed(a)) == fmt.Sprint(want) })
	want[d.String()] = want[manifest.Config.Digest.String()]
	flipBit(t, fileOf(t, a, blobPath(digest.Digest(d.String()))), 3, true)
	// What the manifest names cannot be told any more.
	want[manifest.Layers[0].Digest.String()], want[manifest.Config.Digest.String()] = []string{"a", "b"}, []string{"a", "b"}
	must(t, crane.Push(untagged, host+"/other:1", crane.Insecure)) // the map changes, and it heals
	delete(want, alone.Layers[0].Digest.String())
	drivertest.Await(t, "status names them after that as well", func() bool { return fmt.Sprint(needed(a)) == fmt.Sprint(want) })
}

// needed are the images that need each damaged blob, by its digest.
func needed(m *drivertest.Member) map[string][]string {
	found := map[string][]string{}
	for _, d := range m.Status(context.Background()).Blobs.Damage {
		slices.Sort(d.Images)
		found[d.Digest] = d.Images
	}
	return found
}
