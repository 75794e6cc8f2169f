package pathmap_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// keepFew is how much of the history stays in these tests.
const keepFew = 4

// compaction has a member wait for some others.
func compaction(of ...*seat) pathmap.Compaction {
	return pathmap.Compaction{Keep: keepFew, Known: func() (ids []string, err error) {
		for _, s := range of {
			ids = append(ids, s.id.String())
		}
		return ids, nil
	}}
}

// compact has a member drop what it can of its history, and tells how much that was.
func compact(t *testing.T, s *seat, others ...*seat) int {
	t.Helper()
	before := s.m.History().Compacted
	if err := s.m.Compact(t.Context(), compaction(others...)); err != nil {
		t.Fatal(err)
	}
	return s.m.History().Compacted - before
}

func ordered(t *testing.T, s *seat) int {
	t.Helper()
	n, err := s.m.CountOrdered()
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// rawKeys counts the keys of the map in a member's datastore, those of names left out.
func rawKeys(t *testing.T, s *seat) int {
	t.Helper()
	n, err := s.m.CountKeys()
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestTheHistoryIsCompacted(t *testing.T) {
	f := newFabric(t)
	a, b := f.add("a"), f.add("b")
	put(t, a, "/tags/0", "first")
	first := a.m.Heads()[0]
	overwrite(t, a, 10, 30)
	agree(t, a, b)
	del(t, b, "/tags/3")
	put(t, b, "/tags/4", "of b")
	agree(t, a, b)
	digest := a.m.View().Digest()
	if n := compact(t, a, b); n < 280 {
		t.Fatalf("%d deltas were dropped: %+v", n, a.m.History())
	}
	if n := ordered(t, a); n > keepFew+2 || a.m.View().Digest() != digest {
		t.Fatalf("%d deltas are left, or the map has changed", n)
	}
	if n := compact(t, a, b); n != 0 {
		t.Errorf("%d deltas were dropped at once again", n)
	}
	if n := rawKeys(t, a); n > 100 {
		t.Errorf("%d keys are left of a map of nine paths", n)
	}
	restartKeepsTheMap(t, a)
	if !a.m.HasDelta(first) {
		t.Error("it does not know what it dropped, and would merge it again")
	}
	// It is a member like any other.
	put(t, a, "/tags/1", "of a")
	put(t, b, "/tags/2", "of b")
	del(t, b, "/tags/5")
	agree(t, a, b)
	if n := a.m.View().Versions("/tags/1"); n != 1 || !gone(a, "/tags/3") || !gone(a, "/tags/5") || !has(b, "/tags/1", "of a", t) {
		t.Errorf("%d versions of what was overwritten, or a delete was lost", n)
	}
	if n := compact(t, b, a); n < 280 {
		t.Fatalf("%d deltas were dropped", n)
	}
	put(t, b, "/tags/6", "of b")
	del(t, a, "/tags/7")
	agree(t, a, b)
	// Whoever comes takes the state, from either.
	c := f.add("c")
	tookState(t, c, a, b)
	put(t, c, "/tags/8", "of c")
	agree(t, a, b, c)
	for _, s := range []*seat{a, b, c} {
		restartKeepsTheMap(t, s)
	}
}

// TestHistoryIsKeptForWhoLacksIt: a member is away, another one does not answer.
func TestHistoryIsKeptForWhoLacksIt(t *testing.T) {
	f := newFabric(t)
	a, b, c := f.add("a"), f.add("b"), f.add("c")
	overwrite(t, a, 5, 10)
	agree(t, a, b, c)
	f.isolate("c", true)
	overwrite(t, a, 5, 10)
	agree(t, a, b)
	for range 3 {
		if n := compact(t, a, b, c); n != 0 {
			t.Fatalf("%d deltas were dropped without c", n)
		}
		if h := a.m.History(); !slices.Equal(h.Waits, []string{c.id.String()}) || h.Since.IsZero() || h.Kept < 100 {
			t.Fatalf("it does not say for whom it keeps the history: %+v", h)
		}
	}
	f.isolate("c", false)
	agree(t, a, b, c)
	if n := compact(t, a, b, c); n < 90 {
		t.Fatalf("%d deltas were dropped", n)
	}
	if h := a.m.History(); len(h.Waits) > 0 {
		t.Errorf("it still waits: %+v", h)
	}
	if c.m.States().Taken > 0 {
		t.Error("a member that was known took a state")
	}
}

// TestWhatIsMergedMeanwhileStays: of a member that was away for so long that it was forgotten comes
// what lies far down in the history, after everybody was asked.
func TestWhatIsMergedMeanwhileStays(t *testing.T) {
	f := newFabric(t)
	a, b, c := f.add("a"), f.add("b"), f.add("c")
	overwrite(t, a, 5, 4)
	agree(t, a, b, c)
	f.isolate("c", true)
	overwrite(t, c, 3, 1)
	put(t, c, "/own", "of c")
	overwrite(t, a, 5, 10)
	agree(t, a, b)
	f.isolate("b", true)
	if n := compact(t, a, b); n != 0 {
		t.Fatalf("%d deltas were dropped without b", n)
	}
	f.isolate("c", false)
	agree(t, a, c)
	f.loseAll.Store(true)
	f.isolate("c", true)
	f.isolate("b", false)
	agree(t, a, b)
	before := ordered(t, a)
	dropped := compact(t, a, b)
	if left := ordered(t, a); dropped < 50 || left < keepFew+4 || left+dropped != before {
		t.Fatalf("%d of %d deltas were dropped, %d are left: those of c are not among them", dropped, before, left)
	}
	restartKeepsTheMap(t, a)
	if !has(a, "/own", "of c", t) {
		t.Error("what c wrote is lost")
	}
}

// TestHistoryIsHeld: nothing is dropped while something is in the way.
func TestHistoryIsHeld(t *testing.T) {
	f := newFabric(t)
	a := f.add("a")
	overwrite(t, a, 5, 10)
	how := compaction()
	how.Held = func() string { return "a member is of an earlier release" }
	if err := a.m.Compact(t.Context(), how); err != nil {
		t.Fatal(err)
	}
	if h := a.m.History(); h.Compacted > 0 || h.Held != "a member is of an earlier release" {
		t.Fatalf("%+v", h)
	}
	if n := compact(t, a); n < 40 {
		t.Fatalf("%d deltas were dropped alone", n)
	}
}

// TestWhatNoStateCarriesKeepsItsHistory: newcomers read the history of a map with a key of a later
// release, so it stays.
func TestWhatNoStateCarriesKeepsItsHistory(t *testing.T) {
	f := newFabric(t)
	a := f.add("a")
	if err := a.m.PutRaw("/later/key", entryOf(t, "1")); err != nil {
		t.Fatal(err)
	}
	overwrite(t, a, 5, 10)
	if err := a.m.Compact(t.Context(), compaction()); err == nil {
		t.Fatal("it does not say why it drops nothing")
	}
	if n := compact(t, a); n != 0 || a.m.History().Held == "" {
		t.Fatalf("%d deltas were dropped", n)
	}
	b := f.add("b")
	agree(t, a, b)
}

// TestAStateGivenMeanwhile: the history is compacted again and again while a newcomer takes the state,
// which is written to.
func TestAStateGivenMeanwhile(t *testing.T) {
	f := newFabric(t)
	a := f.add("a")
	manyPaths(t, a, 3000)
	overwrite(t, a, 10, 30)
	compact(t, a)
	f.cutAfter.Store(100_000)
	b := f.add("b")
	for i := range 100 {
		put(t, a, fmt.Sprintf("/tags/%d", i%10), fmt.Sprint("again ", i))
		compact(t, a)
	}
	f.cutAfter.Store(0)
	agree(t, a, b)
	caughtUp(t, b)
	restartKeepsTheMap(t, b)
	if w := b.warnings(); len(w) > 0 {
		t.Errorf("it warns: %q", w)
	}
}

// TestAFollowerTakesTheState: a member that is not trusted follows those that are, and finds no history
// with them.
func TestAFollowerTakesTheState(t *testing.T) {
	f := newFabric(t)
	f.untrusted = map[peer.ID]bool{"follower": true}
	a := f.add("a")
	overwrite(t, a, 10, 30)
	compact(t, a)
	b := f.add("follower")
	tookState(t, b, a)
	put(t, a, "/tags/1", "later")
	agree(t, a, b)
}

// A key that two changes wrote holds nothing up once it is deleted.
func TestCompactsWhatTwoChangesWroteOnceItIsDeleted(t *testing.T) {
	f := newFabric(t)
	a := f.add("a")
	key := pathmap.KeyOf("/twice", 5, "w.aaaaaaaa")
	for _, value := range []string{"1", "2"} {
		if err := a.m.PutRaw(key, entryOf(t, value)); err != nil {
			t.Fatal(err)
		}
	}
	a.stop()
	a.start()
	overwrite(t, a, 5, 10)
	if err := a.m.Compact(t.Context(), compaction()); err == nil {
		t.Fatal("it is compacted while no state can have it")
	}
	del(t, a, "/twice")
	if !gone(a, "/twice") {
		t.Fatal("it is there")
	}
	overwrite(t, a, 5, 10)
	if n := compact(t, a); n < 30 {
		t.Errorf("%d changes dropped", n)
	}
	b := f.add("b")
	agree(t, a, b)
}

// What no state can carry comes after history was dropped. Newcomers cannot join until it is deleted, and
// that alone is enough.
func TestWhatNoStateCarriesIsDeleted(t *testing.T) {
	f := newFabric(t)
	f.interval = 20 * time.Millisecond
	a := f.add("a")
	put(t, a, "/twice", "1")
	overwrite(t, a, 5, 10)
	if n := compact(t, a); n < 30 {
		t.Fatalf("%d changes dropped", n)
	}
	if err := a.m.MergeElement(a.m.KeyOfVersion("/twice"), entryOf(t, "2")); err != nil {
		t.Fatal(err)
	}
	b := f.add("b")
	eventually(t, "the newcomer says why it cannot join", func() bool { return b.m.Refused()[a.id].Reason != "" })
	if r := b.m.Refused()[a.id].Reason; !strings.Contains(r, "two changes wrote \"/f/twice") && !strings.Contains(r, "it offers none") {
		t.Errorf("it says %q", r)
	}
	overwrite(t, a, 5, 4)
	if err := a.m.Compact(t.Context(), compaction()); err != nil {
		t.Fatal(err)
	}
	if held := a.m.History().Held; !strings.Contains(held, "two changes wrote \"/f/twice") {
		t.Errorf("it says %q", held)
	}
	del(t, a, "/twice")
	agree(t, a, b)
	caughtUp(t, b)
	if n := compact(t, a); n < 10 || a.m.History().Held != "" {
		t.Errorf("%d changes dropped: %q", n, a.m.History().Held)
	}
}

// A step that is on disk and was reported as failed is counted.
func TestCountsAStepThatMayBeOnDisk(t *testing.T) {
	f := newFabric(t)
	a := f.add("a")
	overwrite(t, a, 5, 4)
	compact(t, a) // who wrote is on disk
	overwrite(t, a, 5, 60)
	a.disk.unsure.Store(true)
	err := a.m.Compact(t.Context(), compaction())
	a.disk.unsure.Store(false)
	if err == nil {
		t.Fatal("no step failed")
	}
	compact(t, a)
	if h, left := a.m.History(), ordered(t, a); h.Compacted+left != 320 || h.Kept != left {
		t.Errorf("%d deltas are left: %+v", left, h)
	}
}

// What was dropped costs nothing when the history is listed, or told.
func TestWhatWasDroppedIsPassedOver(t *testing.T) {
	f := newFabric(t)
	a := f.add("a")
	overwrite(t, a, 10, 90) // on four shelves
	compact(t, a)
	left := ordered(t, a)
	a.disk.queries.Store(0)
	if n := ordered(t, a); n != left || a.disk.queries.Load() > 1 {
		t.Errorf("%d of %d deltas are listed by %d queries", n, left, a.disk.queries.Load())
	}
	a.disk.queries.Store(0)
	told := 0
	if err := a.m.Past(t.Context(), "", func(pathmap.Past) bool { told++; return true }); err != nil {
		t.Fatal(err)
	}
	if told != left || a.disk.queries.Load() > 2 {
		t.Errorf("%d of %d deltas are told by %d queries", told, left, a.disk.queries.Load())
	}
}
