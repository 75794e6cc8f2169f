package driver_test

import (
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/crane"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
)

// TestAnImageOfTwoPlatforms: they share a layer, whose bytes are counted once.
func TestAnImageOfTwoPlatforms(t *testing.T) {
	t.Parallel()
	m := drivertest.Start(t, drivertest.Parameters(t, drivertest.Key(t)))
	host := served(t, m)
	base := static.NewLayer(tarred(t, time.Unix(1, 0), map[string][]byte{"base": make([]byte, 1<<20)}), layerType)
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, platform := range []string{"linux/amd64", "linux/arm64/v8"} {
		img := imageOf(t, platform, base, static.NewLayer(tarred(t, time.Unix(1, 0), map[string][]byte{"of": []byte(platform)}), layerType))
		p, err := v1.ParsePlatform(platform)
		must(t, err)
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: p}})
	}
	ref, err := name.ParseReference(host+"/multi:1", name.Insecure)
	must(t, err)
	must(t, remote.WriteIndex(ref, index))
	must(t, crane.Push(imageOf(t, "linux/s390x", base), host+"/single:1", crane.Insecure))
	want, err := index.Digest()
	must(t, err)
	img, err := driver.NewClient(m.Params).Image(t.Context(), "multi:1")
	must(t, err)
	if img.Digest != want.String() || len(img.Variants) != 2 || img.More || img.Of != "multi:1" {
		t.Fatalf("%+v", img)
	}
	sum := -sizeOf(t, base)
	for i, platform := range []string{"linux/amd64", "linux/arm64/v8"} {
		v := img.Variants[i]
		if v.Platform != platform || v.MediaType != string(types.OCIManifestSchema1) || len(v.Blobs) != 3 || v.Blobs[0].Kind != "config" ||
			v.Blobs[1].Kind != "layer" || v.Blobs[1].Size != sizeOf(t, base) || v.Blobs[1].MediaType != string(layerType) {
			t.Errorf("%+v", v)
		}
		for _, b := range v.Blobs {
			if !b.Known || !b.Here || b.Size == 0 {
				t.Errorf("%+v", b)
			}
		}
		sum += v.Size
	}
	if img.Size != sum {
		t.Errorf("%d bytes, not %d", img.Size, sum)
	}
	if img, err = m.Image(t.Context(), "single:1"); err != nil || len(img.Variants) != 1 || img.Variants[0].Platform != "linux/s390x" {
		t.Errorf("%+v, %v", img, err)
	}
	if _, err := m.Image(t.Context(), "multi:2"); err == nil {
		t.Error("there is no such tag")
	}
}

// TestAnImageWithoutItsLayer: of what nobody knows any more, the digest is left.
func TestAnImageWithoutItsLayer(t *testing.T) {
	t.Parallel()
	m := drivertest.Start(t, drivertest.Parameters(t, drivertest.Key(t)))
	layer := static.NewLayer(tarred(t, time.Unix(1, 0), map[string][]byte{"a": []byte("b")}), layerType)
	must(t, crane.Push(imageOf(t, "linux/amd64", layer), served(t, m)+"/app:1", crane.Insecure))
	d, err := layer.Digest()
	must(t, err)
	must(t, m.Delete(t.Context(), "/docker/registry/v2/blobs/sha256/"+d.Hex[:2]+"/"+d.Hex))
	img, err := m.Image(t.Context(), "app:1")
	must(t, err)
	if b := img.Variants[0].Blobs[1]; b.Known || b.Here || b.Size != 0 || b.Digest != d.String() {
		t.Errorf("%+v", b)
	}
}
