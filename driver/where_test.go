package driver_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/crane"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/opencontainers/go-digest"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
)

// TestWhereTheBlobsOfAnImageAre: with their keepers, with others as cache, and with those that
// are away nobody knows.
func TestWhereTheBlobsOfAnImageAre(t *testing.T) {
	t.Parallel()
	all := keepers(t, 3, 1)
	img, err := random.Image(2*leafSize+7, 4)
	must(t, err)
	must(t, crane.Push(img, served(t, all[0])+"/team/app:1", crane.Insecure))
	requireKept(t, all[0], nil, 1, all...)
	manifest, err := img.Manifest()
	must(t, err)
	d, err := img.Digest()
	must(t, err)
	want := []string{"manifest " + d.String(), "config " + manifest.Config.Digest.String()}
	for _, l := range manifest.Layers {
		want = append(want, "layer "+l.Digest.String())
	}
	check := func(asked *drivertest.Member, silent ...*drivertest.Member) {
		t.Helper()
		w, err := driver.NewClient(asked.Params).Where(t.Context(), "team/app:1")
		must(t, err)
		var kinds []string
		for _, b := range w.Blobs {
			kinds = append(kinds, b.Kind+" "+b.Digest)
			if got, want := has3(b), onThem(t, digest.Digest(b.Digest), silent, all...); !slices.Equal(got, want) {
				t.Errorf("%s: %v, not %v", b.Kind, got, want)
			}
		}
		if !slices.Equal(kinds, want) {
			t.Errorf("it has %v, not %v", kinds, want)
		}
		troubled := 0
		for _, m := range w.Members {
			if m.Trouble != "" {
				troubled++
			}
		}
		if len(w.Members) != len(all) || troubled != len(silent) || w.Members[0].PeerID != asked.Identity().PeerID {
			t.Errorf("members are %+v", w.Members)
		}
	}
	drivertest.Await(t, "manifest and config are on all", func() bool {
		w, err := all[2].Where(t.Context(), d.String())
		must(t, err)
		return len(w.Blobs) == 6 && w.Blobs[0].Whole() == 3 && w.Blobs[1].Whole() == 3
	})
	for _, m := range all {
		check(m)
	}
	for _, of := range []string{"127.0.0.1:5000/team/app:1", "localhost/team/app:1", "registry.example.org/team/app@" + d.String()} {
		if w, err := driver.NewClient(all[0].Params).Where(t.Context(), of); err != nil || len(w.Blobs) != len(want) { // as clients write it
			t.Errorf("%s: %d blobs, %v", of, len(w.Blobs), err)
		}
	}
	all[1].Stop()
	drivertest.Await(t, "it is away", func() bool { return connectedOnly(all[0], 1) })
	check(all[0], all[1])
	for _, of := range []string{d.Hex[:12], d.Algorithm + ":" + d.Hex[:20]} { // as docker shows it
		if w, err := all[0].Where(t.Context(), of); err != nil || len(w.Blobs) != len(want) || w.Blobs[0].Digest != d.String() {
			t.Errorf("%s: %+v, %v", of, w, err)
		}
	}
	for _, of := range []string{d.Hex[:11], strings.Repeat("0", 12), "sha256:" + strings.Repeat("f", 12), "team/app:2", "127.0.0.1:5000/team/app:2", "nothing", digest.FromString("x").String(), "team/app@" + digest.FromString("x").String()} {
		if _, err := driver.NewClient(all[0].Params).Where(t.Context(), of); err == nil || !strings.Contains(err.Error(), of) {
			t.Errorf("%s: %v", of, err)
		}
	}
}

func connectedOnly(m *drivertest.Member, n int) bool {
	for _, o := range m.Status(context.Background()).Members {
		if o.Connected {
			n--
		}
	}
	return n == 0
}

// has3 lists who has a blob, and how.
func has3(b driver.WhereBlob) (list []string) {
	for _, c := range b.Copies {
		list = append(list, fmt.Sprint(c.PeerID, c.Kept, c.Whole, c.Bytes == b.Size))
	}
	slices.Sort(list)
	return list
}

// onThem is what has3 should say of registries that answer.
func onThem(t *testing.T, d digest.Digest, silent []*drivertest.Member, all ...*drivertest.Member) (list []string) {
	t.Helper()
	keeper := placedPath(t, blobPath(d), 1, all...)[0]
	for _, m := range all {
		if slices.Contains(silent, m) {
			continue
		}
		if _, here := m.Blob(blobPath(d)); here {
			list = append(list, fmt.Sprint(m.Identity().PeerID, m == keeper, true, true))
		}
	}
	slices.Sort(list)
	return list
}

// TestWhereTheBlobsOfAnIndexAre: those of each image below it, each once; also where one of them
// was deleted.
func TestWhereTheBlobsOfAnIndexAre(t *testing.T) {
	t.Parallel()
	a := offline(t)
	index, err := random.Index(3000, 2, 2)
	must(t, err)
	ref, err := name.ParseReference(served(t, a)+"/some/where:1", name.Insecure)
	must(t, err)
	must(t, remote.WriteIndex(ref, index))
	kinds := func() (list string, nowhere int) {
		w, err := a.Where(t.Context(), "some/where:1")
		must(t, err)
		for _, b := range w.Blobs {
			list += b.Kind + " "
		}
		return list, w.Nowhere()
	}
	const want = "index manifest config layer layer manifest config layer layer "
	if got, nowhere := kinds(); got != want || nowhere != 0 {
		t.Errorf("it has %s, %d nowhere", got, nowhere)
	}
	manifests, err := index.IndexManifest()
	must(t, err)
	must(t, a.Delete(t.Context(), blobPath(digest.Digest(manifests.Manifests[1].Digest.String()))))
	if got, nowhere := kinds(); got != "index manifest config layer layer manifest " || nowhere != 1 {
		t.Errorf("it has %s, %d nowhere", got, nowhere)
	}
	content := randomBytes(t, 2*leafSize)
	pushBlob(t, a, content)
	w, err := a.Where(t.Context(), digest.FromBytes(content).String())
	must(t, err)
	if len(w.Blobs) != 1 || w.Blobs[0].Kind != "blob" || w.Blobs[0].Whole() != 1 || w.Blobs[0].Size != int64(len(content)) {
		t.Errorf("it is %+v", w)
	}
}

// TestWhereOfTheStartOfADigest: one that two blobs share is refused, with what to give.
func TestWhereOfTheStartOfADigest(t *testing.T) {
	t.Parallel()
	a := offline(t)
	c, err := a.CIDOf(pushBlob(t, a, randomBytes(t, 100)))
	must(t, err)
	const start = "0123456789ab"
	for _, end := range []string{"0", "8", "f"} { // nobody looks at the bytes
		path := blobPath(digest.Digest("sha256:" + start + strings.Repeat(end, 52)))
		must(t, a.PutEntry(path, c, 100))
	}
	if _, err := a.Where(t.Context(), start); err == nil || !strings.Contains(err.Error(), "sha256:"+start+strings.Repeat("8", 52)) {
		t.Errorf("%v", err)
	}
	for _, of := range []string{start + "8", "sha256:" + start + "88"} {
		if w, err := a.Where(t.Context(), of); err != nil || !strings.HasSuffix(w.Blobs[0].Digest, "8888") {
			t.Errorf("%s: %+v, %v", of, w, err)
		}
	}
}

// TestWhereIsBoundedByCopies: each registry may have each blob, and the answer is in memory.
func TestWhereIsBoundedByCopies(t *testing.T) {
	t.Parallel()
	for registries, most := range map[int]int{1: 10_000, 25: 10_000, 26: driver.MaxCopies / 26, 501: driver.MaxCopies / 501} {
		if err := driver.TooMany(most, registries); err != nil {
			t.Errorf("%d blobs on %d: %v", most, registries, err)
		}
		if err := driver.TooMany(most+1, registries); err == nil || most*registries > driver.MaxCopies {
			t.Errorf("%d blobs on %d: %v", most+1, registries, err)
		}
	}
	d := keepers(t, 1, 1)[0]
	manifest := manifestOf(10_000)
	pushBlob(t, d, manifest)
	of := digest.FromBytes(manifest).String()
	if _, err := d.Where(t.Context(), of); err == nil || !strings.Contains(err.Error(), "more than 10000 blobs") {
		t.Error(err)
	}
	if _, err := d.Trace(t.Context(), of, driver.TraceOptions{DryRun: true}, func(driver.TracedBlob) {}); err == nil || !strings.Contains(err.Error(), "more than 10000 blobs") {
		t.Errorf("a trace: %v", err)
	}
}

// manifestOf is a manifest that names so many layers, of which there is none.
func manifestOf(layers int) []byte {
	var b strings.Builder
	for i := range layers {
		fmt.Fprintf(&b, `,{"mediaType":"a/b","size":1,"digest":"%s"}`, digest.FromString(fmt.Sprint(i)))
	}
	return []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","layers":[` + b.String()[1:] + `]}`)
}
