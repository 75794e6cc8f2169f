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

// Two changes wrote one version, of one of which only the name is here. Whichever is deleted, the value
// of the other one is alive, with all: with who has the history, who dropped it, and who never had it.
func TestOneOfTwoThatWroteAVersionIsDeleted(t *testing.T) {
	f := newFabric(t)
	a, b, c := f.add("a"), f.add("b"), f.add("c")
	put(t, a, "/tags/x", "1")
	first := pathmap.IDOf(a.m.Heads()[0])
	overwrite(t, a, 5, 10)
	agree(t, a, b, c)
	if n := compact(t, a, b, c); n < 30 {
		t.Fatalf("%d changes dropped", n)
	}
	f.isolate("b", true) // they have the history
	f.isolate("c", true)
	joined := f.add("d")
	tookState(t, joined, a)
	f.isolate("b", false)
	f.isolate("c", false)
	key := b.m.KeyOfVersion("/tags/x")
	all := []*seat{b, c, a, joined}
	is := func(value string) {
		t.Helper()
		agree(t, all...)
		for _, s := range all {
			if !has(s, "/tags/x", value, t) {
				t.Errorf("%s has not the value %s", s.id, value)
			}
		}
	}
	again := func(value string) (id string) {
		t.Helper()
		if err := b.m.MergeElement(key, entryOf(t, value)); err != nil {
			t.Fatal(err)
		}
		id = pathmap.IDOf(b.m.Heads()[0])
		is(value)
		return id
	}
	tomb := func(id, value string) {
		t.Helper()
		if err := b.m.MergeTombstone(key, id); err != nil {
			t.Fatal(err)
		}
		put(t, b, "/tags/y", "after "+id)
		is(value)
	}
	tomb(again("2"), "1")
	f.isolate("b", true)
	f.isolate("c", true)
	e := f.add("e") // by the state of a map in which one of two is left
	tookState(t, e, a)
	all = append(all, e)
	f.isolate("b", false)
	f.isolate("c", false)
	again("3")
	tomb(first, "3")
	del(t, b, "/tags/x")
	agree(t, all...)
	if !gone(a, "/tags/x") {
		t.Error("it cannot be deleted any more")
	}
	overwrite(t, b, 5, 1)
	agree(t, all...)
	if n := compact(t, a, b, c, joined, e); n < 4 {
		t.Errorf("%d changes dropped", n)
	}
	if left := a.keysBelow(t, pathmap.TwiceKey.String()); len(left) > 0 {
		t.Errorf("%q is left", left)
	}
}
