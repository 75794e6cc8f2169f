package pathmap_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// TestEachGivesAllVersions: those that can be read, the greatest first, in whatever order
// they came.
func TestEachGivesAllVersions(t *testing.T) {
	entry := func(size int64) []byte { e := bytesEntry(t, digest.FromString("x"), size); return e.Marshal() }
	view := pathmap.ViewOf(slices.Values([]pathmap.Version{
		{Path: "/a/x", Counter: 2, Writer: "w", Value: entry(2)},
		{Path: "/a/x", Counter: 3, Writer: "v", Value: entry(3)},
		{Path: "/a/x", Counter: 3, Writer: "w", Value: entry(4)},
		{Path: "/a/x", Counter: 1, Writer: "w", Value: entry(1)},
		{Path: "/a/new", Counter: 2, Writer: "w", Value: []byte{2}},
		{Path: "/a/new", Counter: 1, Writer: "w", Value: entry(1)},
		{Path: "/a-b", Counter: 1, Writer: "w", Value: entry(1)},
		{Path: "/a", Counter: 1, Writer: "w", Value: entry(9)},
	}))
	var got []string
	view.Each("/a", func(path string, live []pathmap.Entry, err error) bool {
		var sizes []int64
		for _, e := range live {
			sizes = append(sizes, e.Size)
		}
		if len(sizes) > 1 {
			slices.Sort(sizes[1:]) // only the first has a place
		}
		got = append(got, fmt.Sprint(path, sizes, errors.Is(err, pathmap.ErrNewerEntry)))
		return path != "/a/x"
	})
	if want := []string{"/a[9] false", "/a/new[1] true", "/a/x[4 1 2 3] false"}; !slices.Equal(got, want) {
		t.Error(got)
	}
	if e, err := view.Get("/a/x"); err != nil || e.Size != 4 || view.Len() != 4 {
		t.Error(e, err, view.Len())
	}
}
