package pathmap_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	ds "github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

func writersOf(s *seat) []string { return slices.Sorted(maps.Keys(s.m.Writers())) }

// TestWritersAreRemembered over deletes and restarts, and read from the history where an
// older release did not keep them.
func TestWritersAreRemembered(t *testing.T) {
	f := newFabric(t)
	a, b, c := f.add("a"), f.add("b"), f.add("c")
	put(t, a, "/p", "0")
	agree(t, a, b, c)
	put(t, b, "/p", "1") // of a nothing is left
	agree(t, a, b, c)
	del(t, c, "/p")
	agree(t, a, b, c)
	check := func(when string) {
		t.Helper()
		if got := writersOf(c); !slices.Equal(got, []string{"a", "b"}) {
			t.Errorf("%s the writers are %q", when, got)
		}
	}
	check("after a delete")
	counter := c.m.Writers()["a"]
	if counter == 0 {
		t.Error("of a no counter is known")
	}
	c.stop()
	c.start()
	check("after a restart")
	c.stop()
	forgetWriters(t, c)
	c.start()
	check("from the history")
	c.stop()
	c.start()
	check("after they were read from the history")
	if got, merged := c.m.Writers()["a"], c.m.Merged()["a"]; got < counter || merged != counter {
		t.Errorf("a's counter is %d, and merged up to %d: it was %d", got, merged, counter)
	}
}

// forgetWriters leaves the datastore as a release did that kept no writers.
func forgetWriters(t *testing.T, s *seat) {
	t.Helper()
	db := openStore(t, s.dir)
	res, err := db.Query(t.Context(), query.Query{Prefix: "/paths", KeysOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	all, err := res.Rest()
	if err != nil {
		t.Fatal(err)
	}
	deleted := 0
	for _, e := range all {
		if strings.HasPrefix(e.Key, "/paths/written/") || e.Key == "/paths/earlier" {
			deleted++
			if err := db.Delete(t.Context(), ds.RawKey(e.Key)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if deleted < 3 {
		t.Errorf("only %d keys are the writers'", deleted)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestWritersThatAreNotWaitedFor(t *testing.T) {
	f := newFabric(t)
	a, b := f.add("a"), f.add("b")
	put(t, a, "/p", "0")
	agree(t, a, b)
	if err := b.m.DoNotWait(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	b.stop()
	b.start()
	not, err := b.m.NotWaited()
	if at, ok := not["a"]; err != nil || !ok || at != b.m.Writers()["a"] {
		t.Fatalf("not waited for are %v: %v", not, err)
	}
	put(t, a, "/p", "1")
	agree(t, a, b)
	if b.m.Writers()["a"] <= not["a"] {
		t.Error("something newer does not show")
	}
}

// TestRecordsOfTheUnheard merge, and the least counter counts.
func TestRecordsOfTheUnheard(t *testing.T) {
	f := newFabric(t)
	a, b := f.add("a"), f.add("b")
	record := func(s *seat, writer string, counter uint64) {
		t.Helper()
		op, err := s.m.View().RecordUnheard(writer, counter)
		if err == nil {
			err = s.m.Write(t.Context(), op, pathmap.Op{Path: "/unused"})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	f.isolate("a", true)
	record(a, "12D3KooWx", 70)
	record(b, "12D3KooWx", 50)
	record(b, "12D3KooWx", 90)
	record(b, "12D3KooWy", 1)
	f.isolate("a", false)
	agree(t, a, b)
	if got, want := a.m.View().Unheard(), map[string]uint64{"12D3KooWx": 50, "12D3KooWy": 1}; !maps.Equal(got, want) {
		t.Errorf("recorded are %v, not %v", got, want)
	}
	if a.m.View().Len() != 0 {
		t.Error("a record counts as a path")
	}
	a.stop()
	a.start()
	if err := a.m.Write(t.Context(), a.m.View().DropUnheard("12D3KooWx")); err != nil {
		t.Fatal(err)
	}
	agree(t, a, b)
	if got := b.m.View().Unheard(); !maps.Equal(got, map[string]uint64{"12D3KooWy": 1}) {
		t.Errorf("left are %v", got)
	}
}

// TestVersionsHaveNames: the same on every registry, and after a restart.
func TestVersionsHaveNames(t *testing.T) {
	f := newFabric(t)
	a, b := f.add("a"), f.add("b")
	f.isolate("a", true)
	put(t, a, "/p", "a's")
	put(t, b, "/p", "b's")
	f.isolate("a", false)
	agree(t, a, b)
	names := func(s *seat) []string { return slices.Sorted(slices.Values(s.m.View().VersionsOf("/p"))) }
	was := names(a)
	a.stop()
	a.start()
	if !slices.Equal(names(a), was) || !slices.Equal(names(b), was) || len(was) != 2 {
		t.Errorf("%q, at b %q, after a restart %q", was, names(b), names(a))
	}
	view, counter := a.m.Cut()
	if writer, newest := view.Newest("/p"); newest == 0 || newest > counter || writer != view.Writer("/p") {
		t.Errorf("the newest of a view up to %d is %d of %q", counter, newest, writer)
	}
	put(t, a, "/p", "anew")
	if got := names(a); len(got) != 1 || slices.Contains(was, got[0]) {
		t.Errorf("written anew it is %q, before it was %q", got, was)
	}
}

// TestNoStateKnowsMoreOfAWriterThanThereIs: what its head says beyond its own counter is not taken, nor after a
// restart.
func TestNoStateKnowsMoreOfAWriterThanThereIs(t *testing.T) {
	a := newFabric(t).add("a")
	put(t, a, "/p", "1")
	if err := a.m.TakeWriters(7, 1<<50, map[string]uint64{"w": 1 << 50, "v": 5}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if of := a.m.Writers(); of["w"] != 7 || of["v"] != 5 {
			t.Errorf("%v", of)
		}
		a.stop()
		a.start()
	}
}
