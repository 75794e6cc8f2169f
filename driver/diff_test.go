package driver_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"maps"
	"slices"
	"strings"
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
	"github.com/klauspost/compress/zstd"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
)

const layerType types.MediaType = "application/vnd.oci.image.layer.v1.tar"

// tarred is a layer of files, made at some time.
func tarred(t *testing.T, at time.Time, files map[string][]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, path := range slices.Sorted(maps.Keys(files)) {
		must(t, w.WriteHeader(&tar.Header{Name: path, Size: int64(len(files[path])), Mode: 0o644, ModTime: at, Typeflag: tar.TypeReg}))
		_, err := w.Write(files[path])
		must(t, err)
	}
	must(t, w.Close())
	return b.Bytes()
}

func gzipped(t *testing.T, plain []byte) v1.Layer {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write(plain)
	must(t, err)
	must(t, w.Close())
	return static.NewLayer(b.Bytes(), layerType+"+gzip")
}

func zstandard(t *testing.T, plain []byte) v1.Layer {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	must(t, err)
	return static.NewLayer(w.EncodeAll(plain, nil), layerType+"+zstd")
}

func imageOf(t *testing.T, platform string, layers ...v1.Layer) v1.Image {
	t.Helper()
	img, err := mutate.AppendLayers(mutate.MediaType(empty.Image, types.OCIManifestSchema1), layers...)
	must(t, err)
	p, err := v1.ParsePlatform(platform)
	must(t, err)
	c, err := img.ConfigFile()
	must(t, err)
	c = c.DeepCopy()
	c.OS, c.Architecture, c.Variant = p.OS, p.Architecture, p.Variant
	img, err = mutate.ConfigFile(img, c)
	must(t, err)
	return img
}

func sizeOf(t *testing.T, l v1.Layer) int64 {
	t.Helper()
	n, err := l.Size()
	must(t, err)
	return n
}

func diffOf(t *testing.T, m *drivertest.Member, a, b string, o driver.DiffOptions) driver.Diff {
	t.Helper()
	d, err := driver.NewClient(m.Params).Diff(t.Context(), a, b, o, func(driver.DiffProgress) {})
	must(t, err)
	return d
}

// TestDiffSaysWhatCompressionHides: two images share a base, and one file of another layer, which
// was made at another time.
func TestDiffSaysWhatCompressionHides(t *testing.T) {
	t.Parallel()
	key := drivertest.Key(t)
	a := drivertest.Start(t, drivertest.Parameters(t, key))
	p := drivertest.Parameters(t, key)
	p.Bootstrappers = a.Addresses()
	b := drivertest.Start(t, p)
	drivertest.AwaitMesh(t, a, b)
	large, small := randomBytes(t, 4*leafSize), randomBytes(t, 1000)
	base := static.NewLayer(tarred(t, time.Unix(1, 0), map[string][]byte{"base": randomBytes(t, 2*leafSize)}), layerType)
	old := gzipped(t, tarred(t, time.Unix(2, 0), map[string][]byte{"bin/large": large, "etc/conf": small}))
	changed := zstandard(t, tarred(t, time.Unix(3, 0), map[string][]byte{"bin/large": large, "etc/conf": small[1:]}))
	host := served(t, a)
	must(t, crane.Push(imageOf(t, "linux/amd64", base, old), host+"/app:1", crane.Insecure))
	must(t, crane.Push(imageOf(t, "linux/amd64", base, changed), host+"/app:2", crane.Insecure))
	d := diffOf(t, a, "app:1", host+"/app:2", driver.DiffOptions{})
	if len(d.Platforms) != 1 || d.Platforms[0].Platform != "linux/amd64" || d.Unread() > 0 || len(d.Platforms[0].NotHere) > 0 {
		t.Fatalf("%+v", d)
	}
	is := d.Platforms[0]
	sum := func(n int, bytes int64) driver.DiffSum { return driver.DiffSum{Count: n, Bytes: bytes} }
	for what, c := range map[string]struct{ is, want any }{
		"blobs":           {is.Blobs.Shared, sum(1, sizeOf(t, base))},
		"leaves":          {is.Leaves.Shared, sum(3, sizeOf(t, base))},
		"files":           {is.Files, driver.Shares{Shared: sum(2, 6*leafSize), OnlyA: sum(1, 1000), OnlyB: sum(1, 999)}},
		"paths":           {is.Paths, driver.PathShares{Same: sum(2, 6*leafSize), ChangedA: sum(1, 1000), ChangedB: sum(1, 999)}},
		"leaves of rest":  {is.Rest.Leaves, driver.Shares{OnlyA: sum(5, sizeOf(t, old)), OnlyB: sum(5, sizeOf(t, changed))}},
		"files of rest":   {is.Rest.Files, driver.Shares{Shared: sum(1, 4*leafSize), OnlyA: sum(1, 1000), OnlyB: sum(1, 999)}},
		"without":         {is.Rest.Plain.Shared, sum(3, 3*leafSize)}, // but the first, with the time in it, and the last
		"how compressed":  {strings.Join(is.Rest.Compression, " "), "gzip zstd"},
		"only of A":       {is.Blobs.OnlyA.Count, 3},
		"hundredths of B": {is.Rest.Files.Percent(), 99},
	} {
		if c.is != c.want {
			t.Errorf("%s: %+v, not %+v", what, c.is, c.want)
		}
	}
	drivertest.AwaitAgreement(t, a, b)
	there := diffOf(t, b, "app:1", "app:2", driver.DiffOptions{}).Platforms[0]
	if len(there.NotHere) != 3 || there.Blobs != is.Blobs || there.Files != (driver.Shares{}) || there.Leaves.Shared != is.Leaves.Shared {
		t.Errorf("where no layer is: %+v", there)
	}
	there = diffOf(t, b, "app:1", "app:2", driver.DiffOptions{Fetch: true}).Platforms[0]
	if len(there.NotHere) > 0 || there.Files != is.Files || there.Rest.Plain != is.Rest.Plain || there.Leaves != is.Leaves {
		t.Errorf("with what was fetched: %+v", there)
	}
	same := diffOf(t, a, "app:1", "app:1", driver.DiffOptions{}).Platforms[0]
	if same.Leaves.Percent() != 100 || same.Files.Percent() != 100 || same.Blobs.OnlyA.Count+same.Paths.OnlyB.Count > 0 || len(same.Rest.Compression) > 0 {
		t.Errorf("with itself: %+v", same)
	}
}

// TestDiffOfPlatforms compares those that two indexes have in common, or the one that is asked for.
func TestDiffOfPlatforms(t *testing.T) {
	t.Parallel()
	m := drivertest.Start(t, drivertest.Parameters(t, drivertest.Key(t)))
	host := served(t, m)
	images := map[string]v1.Image{}
	for _, platform := range []string{"linux/amd64", "linux/arm64/v8", "linux/s390x", "unknown/unknown"} {
		images[platform] = imageOf(t, platform, static.NewLayer(tarred(t, time.Unix(1, 0), map[string][]byte{"of": []byte(platform)}), layerType))
	}
	pushed := func(tag string, platforms ...string) string {
		index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
		for _, platform := range platforms {
			p, err := v1.ParsePlatform(platform)
			must(t, err)
			index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: images[platform], Descriptor: v1.Descriptor{Platform: p}})
		}
		ref, err := name.ParseReference(host+"/multi:"+tag, name.Insecure)
		must(t, err)
		must(t, remote.WriteIndex(ref, index))
		return "multi:" + tag
	}
	one := pushed("1", "linux/amd64", "linux/arm64/v8", "unknown/unknown")
	two := pushed("2", "linux/s390x", "linux/arm64/v8", "linux/amd64")
	must(t, crane.Push(images["linux/s390x"], host+"/single:1", crane.Insecure))
	for _, c := range []struct{ a, b, platform, want string }{
		{one, two, "", "linux/amd64 linux/arm64/v8, only  and linux/s390x"},
		{one, two, "linux/arm64", "linux/arm64/v8, only linux/amd64 and linux/s390x linux/amd64"},
		{"single:1", two, "", "linux/s390x, only  and linux/arm64/v8 linux/amd64"},
	} {
		d := diffOf(t, m, c.a, c.b, driver.DiffOptions{Platform: c.platform})
		var names []string
		for _, p := range d.Platforms {
			names = append(names, p.Platform)
			if p.Files.Percent() != 100 || p.Blobs.OnlyA.Count > 0 {
				t.Errorf("%+v", p)
			}
		}
		got := strings.Join(names, " ") + ", only " + strings.Join(d.A.Only, " ") + " and " + strings.Join(d.B.Only, " ")
		if got != c.want {
			t.Errorf("%s, not %s", got, c.want)
		}
	}
	for _, c := range []struct{ a, b, platform, want string }{
		{one, "single:1", "", "single:1 for linux/s390x"}, {one, two, "windows/amd64", "in common"}, {one, "multi:3", "", "multi:3"},
	} {
		_, err := m.Diff(t.Context(), c.a, c.b, driver.DiffOptions{Platform: c.platform}, func(driver.DiffProgress) {})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v does not say %q", err, c.want)
		}
	}
}

// TestDiffGoesOnWithoutALayer that is none, and names it.
func TestDiffGoesOnWithoutALayer(t *testing.T) {
	t.Parallel()
	m := drivertest.Start(t, drivertest.Parameters(t, drivertest.Key(t)))
	host := served(t, m)
	good := static.NewLayer(tarred(t, time.Unix(1, 0), map[string][]byte{"a": []byte("a")}), layerType)
	bad := static.NewLayer([]byte("this is no layer"), layerType+"+gzip")
	model := static.NewLayer([]byte("this is none, either, and does not say so"), "application/vnd.of.a.model")
	must(t, crane.Push(imageOf(t, "linux/amd64", good, bad), host+"/app:1", crane.Insecure))
	must(t, crane.Push(imageOf(t, "linux/amd64", good, model), host+"/app:2", crane.Insecure))
	d := diffOf(t, m, "app:1", "app:2", driver.DiffOptions{})
	digest, err := bad.Digest()
	must(t, err)
	if p := d.Platforms[0]; d.Unread() != 1 || !strings.Contains(p.Unread[0].Reason, "layer "+digest.String()) || p.Files.Shared.Count != 1 {
		t.Errorf("%+v", p)
	}
}
