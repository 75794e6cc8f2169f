package driver_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/crane"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multihash"
	"github.com/opencontainers/go-digest"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
)

// rawManifest is pushed as it is.
type rawManifest struct {
	bytes []byte
	of    types.MediaType
}

func (m rawManifest) RawManifest() ([]byte, error)        { return m.bytes, nil }
func (m rawManifest) MediaType() (types.MediaType, error) { return m.of, nil }

// put pushes a manifest, and gives what names it.
func (m rawManifest) put(t *testing.T, ref string) v1.Descriptor {
	t.Helper()
	at, err := name.ParseReference(ref, name.Insecure)
	must(t, err)
	must(t, remote.Put(at, m))
	h, err := v1.NewHash(digest.FromBytes(m.bytes).String())
	must(t, err)
	return v1.Descriptor{MediaType: m.of, Digest: h, Size: int64(len(m.bytes))}
}

// times is an index that names a manifest so often.
func times(t *testing.T, n int, of v1.Descriptor) rawManifest {
	t.Helper()
	index := v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex}
	for range n {
		index.Manifests = append(index.Manifests, of)
	}
	b, err := json.Marshal(index)
	must(t, err)
	return rawManifest{b, types.OCIImageIndex}
}

// TestAnIndexOfIndexesEnds: each of four indexes names the next one 400 times, so that there are
// 25,600,000,000 ways to the image, which is looked at once.
func TestAnIndexOfIndexesEnds(t *testing.T) {
	t.Parallel()
	m := drivertest.Start(t, drivertest.Parameters(t, drivertest.Key(t)))
	host := served(t, m)
	img := imageOf(t, "linux/amd64", static.NewLayer(tarred(t, time.Unix(1, 0), map[string][]byte{"a": []byte("a")}), layerType))
	must(t, crane.Push(img, host+"/deep:0", crane.Insecure))
	d, err := img.Digest()
	must(t, err)
	of := v1.Descriptor{MediaType: types.OCIManifestSchema1, Digest: d}
	for depth := range 4 {
		of = times(t, 400, of).put(t, fmt.Sprintf("%s/deep:%d", host, depth+1))
	}
	c := driver.NewClient(m.Params)
	v, err := c.Verify(t.Context(), "deep:4", func(driver.VerifyProgress) {})
	must(t, err)
	if v.Blobs != 7 || len(v.Findings) > 0 {
		t.Errorf("4 indexes and an image of 3 blobs: %+v", v)
	}
	is, err := c.Image(t.Context(), "deep:4")
	must(t, err)
	if len(is.Variants) != 1 {
		t.Errorf("one image: %+v", is)
	}
	if diff := diffOf(t, m, "deep:4", "deep:0", driver.DiffOptions{}); len(diff.Platforms) != 1 || diff.Platforms[0].Blobs.Shared.Count != 3 {
		t.Errorf("%+v", diff)
	}
}

// TestAManifestThatNamesTooMuch is refused, and what it names is not taken into memory.
func TestAManifestThatNamesTooMuch(t *testing.T) {
	t.Parallel()
	m := drivertest.Start(t, drivertest.Parameters(t, drivertest.Key(t)))
	host := served(t, m)
	img := imageOf(t, "linux/amd64", static.NewLayer(tarred(t, time.Unix(1, 0), map[string][]byte{"a": []byte("a")}), layerType))
	must(t, crane.Push(img, host+"/many:0", crane.Insecure))
	raw, err := img.RawManifest()
	must(t, err)
	many := strings.Replace(string(raw), `"layers":[`, `"annotations":{"of":"this test"},"layers":[`+strings.Repeat(`{},`, 100_000), 1)
	d := digest.FromString(many)
	must(t, m.PutContent(t.Context(), blobPath(d), []byte(many)))
	must(t, m.PutContent(t.Context(), tagLink("many", "1"), []byte(d)))
	_, err = m.Image(t.Context(), "many:1")
	if err == nil || !strings.Contains(err.Error(), "it names more than") {
		t.Errorf("an image of 100,001 layers: %v", err)
	}
}

// TestADiffOfTheSameLayerAgainAndAgain takes it once.
func TestADiffOfTheSameLayerAgainAndAgain(t *testing.T) {
	t.Parallel()
	m := drivertest.Start(t, drivertest.Parameters(t, drivertest.Key(t)))
	host := served(t, m)
	at := time.Unix(1, 0)
	low := static.NewLayer(tarred(t, at, map[string][]byte{"a": []byte("1"), "b": []byte("2")}), layerType)
	high := static.NewLayer(tarred(t, at, map[string][]byte{"a": []byte("other")}), layerType)
	must(t, crane.Push(imageOf(t, "linux/amd64", low, high, low, low), host+"/app:1", crane.Insecure))
	must(t, crane.Push(imageOf(t, "linux/amd64", high, low), host+"/app:2", crane.Insecure))
	p := diffOf(t, m, "app:1", "app:2", driver.DiffOptions{}).Platforms[0]
	if p.Paths != (driver.PathShares{Same: driver.DiffSum{Count: 2, Bytes: 2}}) || p.Files.Percent() != 100 {
		t.Errorf("what the layer has that is the last one counts: %+v", p)
	}
}

// TestADiffOfASizeThatNoBlobHas: an entry of a registry may say any size.
func TestADiffOfASizeThatNoBlobHas(t *testing.T) {
	t.Parallel()
	m := drivertest.Start(t, drivertest.Parameters(t, drivertest.Key(t)))
	host := served(t, m)
	layer := static.NewLayer([]byte("this was here"), layerType)
	must(t, crane.Push(imageOf(t, "linux/amd64", layer), host+"/app:1", crane.Insecure))
	d, err := layer.Digest()
	must(t, err)
	sum, err := multihash.Sum([]byte("nobody has it"), multihash.SHA2_256, -1)
	must(t, err)
	must(t, m.PutEntry(blobPath(digest.Digest(d.String())), cid.NewCidV1(cid.DagProtobuf, sum), 16<<40))
	p := diffOf(t, m, "app:1", "app:1", driver.DiffOptions{}).Platforms[0]
	if n := p.Leaves.Shared; n.Count != 3 || n.Bytes < 16<<40 {
		t.Errorf("16,777,216 leaves were told apart: %+v", n)
	}
}
