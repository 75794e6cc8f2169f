package pathmap_test

import (
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multihash"
	"github.com/opencontainers/go-digest"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// mostBytes is what an entry may take of memory, its path included.
const mostBytes = 300

// images makes n writes as images of five layers do, each pushed to its repository
// with a tag: of sixteen entries seven are blobs, six a repository's layers, and the
// others the manifest's revision and its tag's two links.
func images(t testing.TB, n int) (ops []pathmap.Op) {
	t.Helper()
	const registry = "/docker/registry/v2/"
	add := func(path string, e pathmap.Entry) {
		e.ModTime = time.Unix(1700000000, int64(len(ops))).UTC()
		ops = append(ops, pathmap.Op{Path: registry + path, Entry: &e})
	}
	for image := 0; len(ops) < n; image++ {
		repository := fmt.Sprintf("repositories/team-%d/services/backend-%03d/", image/1000, image/10)
		tag := fmt.Sprintf("v1.%d.0-%07x", image%10, image)
		for part := range 7 {
			d := digest.FromString(fmt.Sprint(image, part))
			add("blobs/sha256/"+d.Encoded()[:2]+"/"+d.Encoded()+"/data", bytesEntry(t, d, int64(part)*12345678+1234))
			if part > 0 {
				add(repository+"_layers/sha256/"+d.Encoded()+"/link", linkEntry(t, d))
				continue
			}
			add(repository+"_manifests/revisions/sha256/"+d.Encoded()+"/link", linkEntry(t, d))
			add(repository+"_manifests/tags/"+tag+"/current/link", linkEntry(t, d))
			add(repository+"_manifests/tags/"+tag+"/index/sha256/"+d.Encoded()+"/link", linkEntry(t, d))
		}
	}
	return ops[:n]
}

func bytesEntry(t testing.TB, d digest.Digest, size int64) pathmap.Entry {
	t.Helper()
	mh, err := multihash.Sum([]byte(d), multihash.SHA2_256, -1)
	if err != nil {
		t.Fatal(err)
	}
	if size <= 1<<20 {
		return pathmap.Entry{CID: cid.NewCidV1(cid.Raw, mh), Size: size}
	}
	return pathmap.Entry{CID: cid.NewCidV1(cid.DagProtobuf, mh), Size: size}
}

func linkEntry(t testing.TB, d digest.Digest) pathmap.Entry {
	t.Helper()
	mh, err := multihash.Sum([]byte(d), multihash.IDENTITY, -1)
	if err != nil {
		t.Fatal(err)
	}
	return pathmap.Entry{CID: cid.NewCidV1(cid.Raw, mh), Size: int64(len(d))}
}

// TestMemoryOfTheMap measures what the map holds on to, after writing and after it was
// opened anew: of what it was read from nothing may stay.
func TestMemoryOfTheMap(t *testing.T) {
	for _, n := range []int{8_000, 100_000, 1_000_000} {
		if n > 8_000 && testing.Short() {
			break // they take minutes
		}
		t.Run(fmt.Sprint(n), func(t *testing.T) { measureMemory(t, n) })
	}
}

func measureMemory(t *testing.T, n int) {
	dir := t.TempDir()
	const writer = "12D3KooWQYhTNQdmr3ArTeUHRYzFg94BKyTkoWBDWez9kSCVe2Xo"
	for _, when := range []string{"after writing", "after opening"} {
		db := openStore(t, dir)
		m, err := pathmap.Open(t.Context(), pathmap.Config{Store: db, Self: writer, Log: quiet()})
		if err != nil {
			t.Fatal(err)
		}
		if when == "after writing" {
			if err := m.Write(t.Context(), images(t, n)...); err != nil {
				t.Fatal(err)
			}
		}
		view := m.View()
		if err := errors.Join(m.Close(), db.Close()); err != nil {
			t.Fatal(err)
		}
		m, db = nil, nil
		with := heap()
		if view.Len() != n {
			t.Fatalf("%d entries, not %d", view.Len(), n)
		}
		view = pathmap.View{}
		each := float64(with-heap()) / float64(n)
		t.Logf("%d entries %s: %.0f B each", n, when, each)
		if each > mostBytes {
			t.Errorf("an entry takes %.0f B %s, at most %d", each, when, mostBytes)
		}
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
