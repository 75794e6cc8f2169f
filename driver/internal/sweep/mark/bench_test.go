package mark_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"testing"

	"github.com/ipfs/go-cid"
	"github.com/opencontainers/go-digest"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/ocipath"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/sweep/mark"
)

const (
	benchImages = 100_000
	benchLayers = 10 // of each, of which a third is shared by a hundred images
)

// imageVersions gives the paths of n images, some to a repository, and a function that reads
// their manifests.
func imageVersions(n, repository int) (versions []pathmap.Version, read func(context.Context, pathmap.Entry) ([]byte, error)) {
	const writer = "12D3KooWQYhTNQdmr3ArTeUHRYzFg94BKyTkoWBDWez9kSCVe2Xo"
	numbers := make(map[cid.Cid]int, n)
	add := func(path string, c cid.Cid, size int64) {
		e := pathmap.Entry{CID: c, Size: size}
		versions = append(versions, pathmap.Version{Path: path, Counter: uint64(len(versions)), Writer: writer, Value: e.Marshal()})
	}
	link := func(path string, d digest.Digest) {
		c, _ := dag.Identity([]byte(d))
		add(path, c, int64(len(d)))
	}
	seen := map[digest.Digest]bool{}
	data := func(d digest.Digest, size int64) cid.Cid {
		x := dag.SHA2.Sum([]byte(d))
		c := dag.SHA2.LeafCID(x[:])
		if !seen[d] {
			seen[d] = true
			add(ocipath.BlobData(ocipath.Root, d), c, size)
		}
		return c
	}
	for i := range n {
		repo := ocipath.Repository(fmt.Sprintf("team-%d/services/backend-%03d", i/repository/100, i/repository))
		for _, d := range blobsOf(i) {
			data(d, 12345678)
			link(ocipath.LayerLink(repo, d), d)
		}
		m, tag := digest.FromString(fmt.Sprint("manifest ", i)), fmt.Sprintf("v1.%d.0", i%repository)
		numbers[data(m, 2345)] = i
		link(ocipath.RevisionLink(repo, m), m)
		link(ocipath.CurrentLink(repo, tag), m)
		link(ocipath.IndexLink(repo, tag, m), m)
	}
	return versions, func(_ context.Context, e pathmap.Entry) ([]byte, error) { return manifestOf(numbers[e.CID]), nil }
}

// blobsOf gives an image's config and its layers.
func blobsOf(image int) (all []digest.Digest) {
	for part := range 1 + benchLayers {
		of := image
		if part > 0 && part <= benchLayers/3 {
			of = image / 100
		}
		all = append(all, digest.FromString(fmt.Sprint("blob ", of, part)))
	}
	return all
}

func manifestOf(image int) []byte {
	content := []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json"`)
	for part, d := range blobsOf(image) {
		switch part {
		case 0:
			content = append(content, `,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","size":7023`...)
		case 1:
			content = append(content, `},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","size":32654321`...)
		default:
			content = append(content, `},{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","size":32654321`...)
		}
		content = append(content, `,"digest":"`+d.String()+`"`...)
	}
	return append(content, "}]}"...)
}

// BenchmarkMark marks 100,000 images of ten layers, a third of them shared, ten to a
// repository, or all in one. Manifests are made anew when they are read, in about the time
// that it takes to read a file; "again" is the second marking, with what the first one left
// in the cache.
func BenchmarkMark(b *testing.B) {
	for _, repository := range []int{10, benchImages} {
		view, read := benchView(repository)
		b.Run(fmt.Sprintf("repositories=%d", benchImages/repository), func(b *testing.B) {
			b.Run("kept", func(b *testing.B) { run(b, view, mark.Options{Read: read}) })
			b.Run("untagged", func(b *testing.B) { run(b, view, mark.Options{Read: read, Untagged: true}) })
			cache := mark.NewCache(256 << 20)
			b.Run("again", func(b *testing.B) {
				b.StopTimer()
				run(b, view, mark.Options{Read: read, Cache: cache})
				b.StartTimer()
				run(b, view, mark.Options{Read: read, Cache: cache})
			})
			runtime.KeepAlive(cache)
		})
	}
}

func benchView(repository int) (pathmap.View, func(context.Context, pathmap.Entry) ([]byte, error)) {
	versions, read := imageVersions(benchImages, repository)
	return pathmap.ViewOf(slices.Values(versions)), read
}

func run(b *testing.B, view pathmap.View, o mark.Options) {
	b.ReportAllocs()
	b.ReportMetric(float64(view.Len()), "paths")
	for range b.N {
		r, err := mark.Mark(b.Context(), view, o)
		if err != nil || r.All.Manifests != benchImages || r.Unused.Blobs != 0 {
			b.Fatal(r, err)
		}
	}
}

// BenchmarkMemory measures what a marking takes of memory beside the map, when most: what
// is in use now and then while it runs.
func BenchmarkMemory(b *testing.B) {
	for _, repository := range []int{10, benchImages} {
		view, read := benchView(repository)
		b.Run(fmt.Sprintf("repositories=%d", benchImages/repository), func(b *testing.B) {
			before, most, calls := heap(), uint64(0), 0
			sample := func(mark.Progress) {
				if calls++; calls%64 == 0 {
					most = max(most, heap())
				}
			}
			for range b.N {
				r, err := mark.Mark(b.Context(), view, mark.Options{Read: read, Progress: sample})
				if err != nil {
					b.Fatal(err)
				}
				most = max(most, heap())
				runtime.KeepAlive(r)
			}
			runtime.KeepAlive(view)
			b.ReportMetric(float64(most-before)/(1<<20), "MiB")
		})
	}
}

// heap is what is in use once garbage is gone.
func heap() uint64 {
	var s runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&s)
	return s.HeapAlloc
}
