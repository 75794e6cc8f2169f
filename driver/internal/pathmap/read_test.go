package pathmap_test

import (
	"testing"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// benchView is a map of many images.
func benchView(b *testing.B) (pathmap.View, []pathmap.Op) {
	b.Helper()
	db := openStore(b, b.TempDir())
	m, err := pathmap.Open(b.Context(), pathmap.Config{Store: db, Self: "writer", Log: quiet()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _, _ = m.Close(), db.Close() })
	ops := images(b, 50_000)
	if err := m.Write(b.Context(), ops...); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	return m.View(), ops
}

func BenchmarkGet(b *testing.B) {
	view, ops := benchView(b)
	for i := 0; b.Loop(); i++ {
		if _, err := view.Get(ops[i*7919%len(ops)].Path); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkChildren lists the repositories, which are directories, and
// BenchmarkUnder reads every entry.
func BenchmarkChildren(b *testing.B) {
	view, _ := benchView(b)
	for b.Loop() {
		view.Children("/docker/registry/v2/repositories/team-0/services", "", func(pathmap.Child) bool { return true })
	}
}

func BenchmarkUnder(b *testing.B) {
	view, _ := benchView(b)
	for b.Loop() {
		view.Under("/docker/registry/v2", func(string, pathmap.Entry) bool { return true })
	}
}
