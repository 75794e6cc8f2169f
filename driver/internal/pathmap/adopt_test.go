package pathmap_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	ds "github.com/ipfs/go-datastore"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// TestWritesBeforeAnybodyIsMetSurviveAState: a newcomer wrote while it was alone.
func TestWritesBeforeAnybodyIsMetSurviveAState(t *testing.T) {
	f := stateful(t)
	a := f.add("a")
	overwrite(t, a, 10, 30)
	f.isolate("b", true)
	b := f.add("b")
	for i := range 300 {
		put(t, b, fmt.Sprintf("/own/%d", i), "1")
	}
	put(t, b, "/tags/1", "of b")
	del(t, b, "/own/7")
	f.isolate("b", false)
	tookState(t, b, a)
	for _, s := range []*seat{a, b} {
		if !has(s, "/own/0", "1", t) || !has(s, "/own/299", "1", t) || !gone(s, "/own/7") || s.m.View().Versions("/tags/1") != 2 {
			t.Errorf("%s lacks what b wrote before", s.id)
		}
	}
	restartKeepsTheMap(t, b)
}

// TestAStateDeletesWhatItsMemberDeleted: of what a newcomer wrote before, the member has merged, and
// deleted, something; something else the newcomer has deleted since.
func TestAStateDeletesWhatItsMemberDeleted(t *testing.T) {
	f := stateful(t)
	f.loseAll.Store(true)
	a := f.add("a")
	overwrite(t, a, 10, 30)
	f.states.Store(false)
	f.isolate("b", true)
	b := f.add("b")
	for i := range 20 {
		put(t, b, fmt.Sprintf("/own/%d", i), "1")
	}
	// c carries b's writes to a, which b never meets before.
	c := f.add("c")
	f.isolate("a", true)
	f.isolate("b", false)
	agree(t, b, c)
	f.isolate("b", true)
	f.isolate("a", false)
	agree(t, a, c)
	del(t, a, "/own/1")
	put(t, a, "/own/2", "of a")
	agree(t, a, c)
	c.stop()
	del(t, b, "/own/3")
	put(t, b, "/own/4", "2")
	put(t, b, "/own/2", "2")
	b.stop()
	b.newcomer(t)
	f.isolate("b", false)
	b.start()
	tookState(t, b, a)
	for _, s := range []*seat{a, b} {
		if !gone(s, "/own/1") || !gone(s, "/own/3") || !has(s, "/own/4", "2", t) || s.m.View().Versions("/own/2") != 2 || !has(s, "/own/5", "1", t) {
			t.Errorf("%s: own/1 %d, own/2 %d, own/3 %d, own/4 %d versions", s.id, s.m.View().Versions("/own/1"),
				s.m.View().Versions("/own/2"), s.m.View().Versions("/own/3"), s.m.View().Versions("/own/4"))
		}
	}
	restartKeepsTheMap(t, b)
}

// newcomer makes a member that is stopped believe that it is still joining.
func (s *seat) newcomer(t *testing.T) {
	t.Helper()
	db := openStore(t, s.dir)
	if err := db.Put(t.Context(), pathmap.UnfinishedKey, nil); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestWhatFollowsFromBehindTheCut: a member that was away wrote after a delta that the newcomer has
// never seen, and whose name it knows.
func TestWhatFollowsFromBehindTheCut(t *testing.T) {
	f := stateful(t)
	a, c := f.add("a"), f.add("c")
	put(t, a, "/tags/1", "before")
	agree(t, a, c)
	f.isolate("c", true)
	before := c.m.Heads()
	put(t, c, "/of-c", "1")
	del(t, c, "/tags/1")
	overwrite(t, a, 10, 30)
	b := f.add("b")
	tookState(t, b, a)
	f.isolate("a", true)
	f.isolate("c", false)
	eventually(t, "it merges what was written elsewhere", func() bool { return has(b, "/of-c", "1", t) })
	f.isolate("a", false)
	agree(t, a, b, c)
	for _, h := range before { // an earlier release, which knows of no cut, would never read it
		if marked, err := b.disk.Has(t.Context(), pathmap.ProcessedKey(h)); err != nil || marked {
			t.Errorf("what lies behind the cut is marked as merged: %v", err)
		}
	}
	restartKeepsTheMap(t, b)
}

// TestTwoTakeEachOthersState at once, while a third takes that of one of them: what comes into a map by
// a state after a cut is not behind that cut.
func TestTwoTakeEachOthersState(t *testing.T) {
	f := stateful(t)
	f.isolate("b", true)
	a, b := f.add("a"), f.add("b")
	manyPaths(t, a, 2000)
	overwrite(t, b, 10, 30)
	f.isolate("b", false)
	c := f.add("c")
	agree(t, a, b, c)
	for _, s := range []*seat{a, b, c} {
		if s.m.View().Len() != 2010 {
			t.Errorf("%s has %d paths", s.id, s.m.View().Len())
		}
		restartKeepsTheMap(t, s)
	}
	put(t, b, "/tags/1", "last")
	agree(t, a, b, c)
}

// TestAnyHistoryJoinedByState plays histories at random: who joins by state has in the end what who
// joins by history has.
func TestAnyHistoryJoinedByState(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { anyHistory(t, rand.New(rand.NewPCG(seed, 1))) })
	}
}

func anyHistory(t *testing.T, dice *rand.Rand) {
	f := newFabric(t)
	writers := []*seat{f.add("a"), f.add("b"), f.add("c")}
	scribble := func(s *seat, n int) {
		for range n {
			path := fmt.Sprintf("/p/%d", dice.IntN(12))
			switch dice.IntN(4) {
			case 0:
				del(t, s, path)
			case 1:
				e := entryOf(t, fmt.Sprint(dice.IntN(1000)))
				ops := []pathmap.Op{{Path: path, Entry: &e}, {Path: path + "/below", Entry: &e}}
				if err := s.m.Write(t.Context(), ops...); err != nil {
					t.Fatal(err)
				}
			default:
				put(t, s, path, fmt.Sprint(dice.IntN(1000)))
			}
		}
	}
	for range 6 {
		away := writers[dice.IntN(3)]
		f.isolate(away.id, true)
		for _, s := range writers {
			scribble(s, dice.IntN(8))
		}
		f.isolate(away.id, dice.IntN(2) == 0)
	}
	f.isolate("early", true)
	early := f.add("early") // wrote before it met anybody
	scribble(early, dice.IntN(10))
	from := writers[dice.IntN(3)]
	for _, s := range writers {
		f.isolate(s.id, s != from)
	}
	from.stop()
	f.states.Store(true)
	from.start()
	state := f.add("state")
	scribble(from, dice.IntN(5))
	caughtUp(t, state)
	if !state.m.BeganWithState() && len(from.m.Heads()) > 0 {
		t.Error("it read a history: nothing is compared")
	}
	f.isolate("early", false) // it may have to do with either
	caughtUp(t, early)
	scribble(state, dice.IntN(5))
	scribble(early, dice.IntN(5))
	f.states.Store(false)
	for _, s := range append(writers, state, early) {
		f.isolate(s.id, s == from || s == state || s == early)
	}
	history := f.add("history")
	others := slices.DeleteFunc(slices.Clone(writers), func(s *seat) bool { return s == from })
	agree(t, append(others, history)...)
	if history.m.BeganWithState() {
		t.Error("it took a state: nothing is compared")
	}
	for _, s := range append(writers, state, early) {
		f.isolate(s.id, false)
	}
	agree(t, append(writers, state, early, history)...)
	restartKeepsTheMap(t, state)
	restartKeepsTheMap(t, early)
}

// TestWhoLacksWhatNobodyHasTakesTheState: a member was cut off while another one wrote that is lost
// since. Who joined by the lost one's state has no deltas of it.
func TestWhoLacksWhatNobodyHasTakesTheState(t *testing.T) {
	f := stateful(t)
	a, c := f.add("a"), f.add("c")
	overwrite(t, a, 10, 3)
	put(t, c, "/of-c/kept", "1")
	put(t, c, "/of-c/deleted", "1")
	put(t, c, "/of-c/deleted-here", "1")
	agree(t, a, c)
	f.isolate("c", true)
	del(t, a, "/of-c/deleted", "/tags/1")
	overwrite(t, a, 10, 30)
	b := f.add("b")
	tookState(t, b, a)
	a.stop()
	put(t, c, "/of-c/meanwhile", "1")
	put(t, c, "/tags/2", "of c")
	del(t, c, "/of-c/deleted-here", "/tags/3")
	f.isolate("c", false)
	agree(t, b, c)
	for _, s := range []*seat{b, c} {
		if !has(s, "/of-c/kept", "1", t) || !gone(s, "/of-c/deleted") || !gone(s, "/of-c/deleted-here") || !has(s, "/of-c/meanwhile", "1", t) ||
			s.m.View().Versions("/tags/2") != 2 || !has(s, "/tags/3", "29", t) {
			t.Errorf("%s: the two were not put together", s.id)
		}
	}
	put(t, b, "/later", "of b")
	put(t, c, "/of-c/later", "of c")
	agree(t, b, c)
	restartKeepsTheMap(t, c)
	put(t, c, "/of-c/last", "of c")
	a.start()
	put(t, a, "/of-a/last", "of a")
	agree(t, a, b, c)
}

// TestAStateOfWhichNobodyKnowsWhetherItIsOnDisk: it is, and readers do not see it before the datastore
// works again. Until then its member has not been caught up with.
func TestAStateOfWhichNobodyKnowsWhetherItIsOnDisk(t *testing.T) {
	f := stateful(t)
	a := f.add("a")
	overwrite(t, a, 10, 30)
	f.isolate("b", true)
	b := f.add("b")
	b.disk.unsureState.Store(true)
	f.isolate("b", false)
	eventually(t, "the transaction of the state fails", b.disk.noPut.Load)
	for range 20 {
		select {
		case <-b.m.CaughtUp():
			t.Fatalf("it has caught up, and shows %d paths", b.m.View().Len())
		case <-time.After(f.interval):
		}
	}
	b.disk.noPut.Store(false)
	agree(t, a, b)
	caughtUp(t, b)
	if got, want := b.m.Writers()["a"], a.m.Greatest(); !b.m.BeganWithState() || got < want {
		t.Errorf("it knows of %d versions of a, of %d", got, want)
	}
	restartKeepsTheMap(t, b)
}

// TestWhatLiesBehindACutIsMerged, as the member says that joined so.
func TestWhatLiesBehindACutIsMerged(t *testing.T) {
	f := stateful(t)
	a := f.add("a")
	put(t, a, "/first", "1")
	heads := a.m.Heads()
	overwrite(t, a, 10, 30)
	b := f.add("b")
	tookState(t, b, a)
	merged := func() bool {
		ok, err := a.m.HasMerged(t.Context(), b.id, append(heads, a.m.Heads()...))
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	if !merged() {
		t.Error("it has all of it")
	}
}

// TestAStateOfAWriterThatLostItsDisk says what that one wrote before.
func TestAStateOfAWriterThatLostItsDisk(t *testing.T) {
	f := stateful(t)
	a, b := f.add("a"), f.add("b")
	overwrite(t, b, 10, 30)
	agree(t, a, b)
	want := a.m.Writers()["b"]
	b.stop()
	b.dir = t.TempDir()
	b.start()
	tookState(t, b, a)
	a.stop()
	c := f.add("c")
	tookState(t, c, b)
	if got := c.m.Writers()["b"]; got < want {
		t.Errorf("b wrote up to %d, not %d", want, got)
	}
}

// editDisk changes the datastore of a member that is stopped.
func (s *seat) editDisk(t *testing.T, f func(ds.Datastore)) {
	t.Helper()
	db := openStore(t, s.dir)
	f(db)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// versionKey is the key of the only version of a path.
func (s *seat) versionKey(path string) string {
	return "/f" + path + ":" + s.m.View().VersionsOf(path)[0]
}

// noDelta is like the name of a delta, and that of none.
func noDelta(like cid.Cid) cid.Cid {
	hash := slices.Clone(like.Hash())
	hash[len(hash)-1]++
	return cid.NewCidV1(cid.DagProtobuf, hash)
}

// forgeElement has a member say that a change wrote a path which nobody made.
func (s *seat) forgeElement(t *testing.T, path string) {
	t.Helper()
	place, other := pathmap.ElemKeys+s.versionKey(path), pathmap.IDOf(noDelta(s.m.Heads()[0]))
	is := s.keysBelow(t, place)
	s.stop()
	s.editDisk(t, func(db ds.Datastore) {
		if err := errors.Join(db.Delete(t.Context(), dsKey(is[0])), db.Put(t.Context(), dsKey(place+other), nil)); err != nil {
			t.Fatal(err)
		}
	})
	s.start()
}

// TestNeitherItsHistoryNorItsState: what is missing can be had of nobody who is there. An operator is
// told, until somebody has it.
func TestNeitherItsHistoryNorItsState(t *testing.T) {
	f := stateful(t)
	a, c := f.add("a"), f.add("c")
	overwrite(t, a, 10, 3)
	agree(t, a, c)
	f.isolate("c", true)
	put(t, c, "/of-c", "1")
	overwrite(t, a, 10, 30)
	b := f.add("b")
	tookState(t, b, a)
	a.stop()
	b.forgeElement(t, "/tags/3")
	f.isolate("c", false)
	eventually(t, "it says that it cannot follow", func() bool { return c.m.Refused()[b.id].Reason != "" })
	if r := c.m.Refused()[b.id]; r.Since.IsZero() || !strings.Contains(r.Reason, "/tags/3") {
		t.Errorf("it says %+v", r)
	}
	if _, behind := c.m.BehindSince(); !behind || !errors.Is(c.m.CatchUp(t.Context()), pathmap.ErrBehind) {
		t.Error("what is missing counts as missing nowhere")
	}
	if w := c.warnings(); len(w) != 2 || !strings.Contains(w[1], "start a registry that has that history") {
		t.Errorf("an operator is told %q", w)
	}
	a.start()
	agree(t, a, b, c)
	eventually(t, "it follows again", func() bool { return len(c.m.Refused()) == 0 })
}

// TestAVersionOfNoChangeInThePast of a state is not taken: nobody would ever see it, or delete it.
func TestAVersionOfNoChangeInThePast(t *testing.T) {
	f := stateful(t)
	a := f.add("a")
	overwrite(t, a, 10, 30)
	a.forgeElement(t, "/tags/3")
	b := f.add("b")
	agree(t, a, b)
	if w := b.warnings(); b.m.BeganWithState() || len(w) != 1 || !strings.Contains(w[0], "does not add up") {
		t.Errorf("it took the state, or says %q", w)
	}
	restartKeepsTheMap(t, b)
}

// TestWhatAStateLeftDoesNotDeleteAPath that is here, whatever change it says wrote that.
func TestWhatAStateLeftDoesNotDeleteAPath(t *testing.T) {
	f := newFabric(t)
	a := f.add("a")
	put(t, a, "/p", "1")
	key, other := a.versionKey("/p"), pathmap.IDOf(noDelta(a.m.Heads()[0]))
	digest := a.m.View().Digest()
	a.stop()
	a.editDisk(t, func(db ds.Datastore) {
		if err := errors.Join(db.Put(t.Context(), pathmap.TakingKey, nil), db.Put(t.Context(), dsKey(pathmap.ElemKeys+key+other), nil)); err != nil {
			t.Fatal(err)
		}
	})
	a.start()
	restartKeepsTheMap(t, a)
	if left := a.keysBelow(t, pathmap.ElemKeys+key); a.m.View().Digest() != digest || len(left) != 1 {
		t.Errorf("%d paths are left, and of the version %q", a.m.View().Len(), left)
	}
}
