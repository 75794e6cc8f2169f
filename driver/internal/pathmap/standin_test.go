package pathmap_test

import (
	"testing"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// A tombstone that names another delta than the one that wrote its key is merged by those that have the
// history, and so it is by one that dropped it, and by one that never had it.
func TestTombstoneOfAnotherDeltaIsMergedWithoutHistory(t *testing.T) {
	f := newFabric(t)
	a, b, c := f.add("a"), f.add("b"), f.add("c")
	put(t, a, "/tags/x", "1")
	overwrite(t, a, 5, 10)
	agree(t, a, b, c)
	if n := compact(t, a, b, c); n < 30 {
		t.Fatalf("%d changes dropped", n)
	}
	f.isolate("b", true) // they have the history
	f.isolate("c", true)
	joined := f.add("d")
	agree(t, a, joined)
	if !joined.m.BeganWithState() {
		t.Fatal("it did not join by state")
	}
	f.isolate("b", false)
	f.isolate("c", false)
	another := pathmap.IDOf(b.m.Heads()[0])
	if err := b.m.MergeTombstone(b.m.KeyOfVersion("/tags/x"), another); err != nil {
		t.Fatal(err)
	}
	put(t, b, "/tags/y", "2")
	agree(t, b, c, a, joined)
	for name, s := range map[string]*seat{"a": a, "b": b, "c": c, "d": joined} {
		if gone(s, "/tags/x") {
			t.Errorf("%s lost what nobody deleted", name)
		}
	}
	del(t, b, "/tags/x")
	agree(t, b, c, a, joined)
	if !gone(a, "/tags/x") || !gone(joined, "/tags/x") {
		t.Error("it cannot be deleted any more")
	}
}
