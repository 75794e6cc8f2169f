package pathmap_test

import (
	"fmt"
	"testing"
)

// TestManySiblings: a member makes more changes that follow the same ones than others may follow at once.
// Writes go on, and the others follow.
func TestManySiblings(t *testing.T) {
	f := newFabric(t)
	a, b := f.add("a"), f.add("b")
	put(t, a, "/first", "1")
	agree(t, a, b)
	var paths []string
	for i := range 1100 {
		paths = append(paths, fmt.Sprintf("/%d", i))
	}
	if err := a.m.MergeSiblings("c", paths, entryOf(t, "1")); err != nil {
		t.Fatal(err)
	}
	put(t, a, "/of-a", "1")
	put(t, b, "/of-b", "1")
	agree(t, a, b)
	if n := len(b.m.View().VersionsOf(paths[len(paths)-1])); n != 1 {
		t.Errorf("%d versions of the last one", n)
	}
}
