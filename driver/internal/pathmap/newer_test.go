package pathmap_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// TestEntriesOfALaterReleaseStay: a member of a later release wrote an entry in its own
// format, and a key of a kind that this release does not know. Whatever this release does
// then, both stay as they were, on both registries.
func TestEntriesOfALaterReleaseStay(t *testing.T) {
	f := newFabric(t)
	later, a := f.add("later"), f.add("a")
	value := []byte{2, 'n', 'e', 'w'}
	keys := []string{pathmap.KeyOf("/repo/x", 5, "later"), "/z/of-a-later-release"}
	put(t, later, "/repo/y", "1")
	for _, key := range keys {
		if err := later.m.PutValue(key, value); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "it is here", func() bool { return a.m.Raw(keys[1]) != nil && has(a, "/repo/y", "1", t) })
	if _, err := a.m.View().Get("/repo/x"); !errors.Is(err, pathmap.ErrNewerEntry) {
		t.Errorf("read: %v", err)
	}
	all := []pathmap.Op{{Path: "/repo/y"}, {Path: "/repo/x"}}
	if err := a.m.Write(t.Context(), all...); !errors.Is(err, pathmap.ErrNewerEntry) || !has(a, "/repo/y", "1", t) {
		t.Errorf("a delete of the directory: %v", err)
	}
	for _, content := range []string{"1", "2"} { // the second replaces the first
		put(t, a, "/repo/x", content)
		if n := a.m.View().Versions("/repo/x"); n != 2 || !has(a, "/repo/x", content, t) {
			t.Errorf("a push of %s leaves %d versions", content, n)
		}
	}
	if err := a.m.Write(t.Context(), pathmap.Op{Path: "/repo/x"}); !errors.Is(err, pathmap.ErrNewerEntry) {
		t.Errorf("a delete of what was pushed here over it: %v", err)
	}
	later.stop()
	later.start() // it reads what it wrote
	put(t, later, "/after", "1")
	agree(t, later, a)
	a.stop()
	a.start()
	for _, s := range []*seat{later, a} {
		for _, key := range keys {
			if got := s.m.Raw(key); !bytes.Equal(got, value) {
				t.Errorf("%s has %q at %s", s.id, got, key)
			}
		}
	}
	if a.m.View().Versions("/repo/x") != 2 {
		t.Error("a restart takes a version")
	}
}
