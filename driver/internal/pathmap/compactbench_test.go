package pathmap_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// BenchmarkCompacted overwrites 1,000 tags, OVERWRITES (100,000) in all, one a change, with the history
// compacted every 20,000: what the registry then takes of its disk, and how long its map takes to open,
// beside a registry on which each tag was written once. The bound is 3 times as much and 64 MiB.
func BenchmarkCompacted(b *testing.B) {
	writes, err := strconv.Atoi(os.Getenv("OVERWRITES"))
	if err != nil {
		writes = 100_000
	}
	f := newFabric(b)
	for n := range b.N {
		fresh, old := f.add(fmt.Sprint("fresh", n)), f.add(fmt.Sprint("old", n))
		f.isolate(fresh.id, true)
		f.isolate(old.id, true)
		writeTags(b, fresh, 1000)
		began := time.Now()
		for i := 0; i < writes; i += 20_000 {
			writeTags(b, old, 20_000)
			if err := old.m.Compact(b.Context(), pathmap.Compaction{Keep: pathmap.KeptDeltas, Known: nobody}); err != nil {
				b.Fatal(err)
			}
		}
		took := time.Since(began)
		freshBytes, freshOpen := reopened(b, fresh)
		bytes, open := reopened(b, old)
		b.ReportMetric(float64(bytes)/(1<<20), "MiB")
		b.ReportMetric(float64(freshBytes)/(1<<20), "MiB/fresh")
		b.ReportMetric(float64(open.Microseconds())/1000, "ms/open")
		b.ReportMetric(float64(freshOpen.Microseconds())/1000, "ms/freshopen")
		b.ReportMetric(took.Seconds(), "s/all")
		if most := 3*freshBytes + 64<<20; bytes > most {
			b.Errorf("%d MiB on disk, %d at most: %+v", bytes>>20, most>>20, old.m.History())
		}
		b.Logf("%+v", old.m.History())
		fresh.stop()
		old.stop()
	}
}

func nobody() ([]string, error) { return nil, nil }

// writeTags overwrites 1,000 tags in turn.
func writeTags(t testing.TB, s *seat, n int) {
	for i := range n {
		put(t, s, fmt.Sprintf("/docker/registry/v2/repositories/app/_manifests/tags/v%d/current/link", i%1000), fmt.Sprint(i))
	}
}

// reopened is what a member takes of its disk, after it was closed, and how long its map takes to open.
func reopened(t testing.TB, s *seat) (bytes int64, open time.Duration) {
	s.stop()
	err := filepath.WalkDir(filepath.Join(s.dir, "datastore"), func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Name() != "reserve" {
			bytes += info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	s.start()
	return bytes, time.Since(began)
}
