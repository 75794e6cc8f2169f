package pathmap_test

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// stateful is a fabric whose members give their state.
func stateful(t *testing.T) *fabric {
	f := newFabric(t)
	f.states.Store(true)
	return f
}

// overwrite makes a history that is longer than its state.
func overwrite(t testing.TB, s *seat, paths, times int) {
	t.Helper()
	for i := range times {
		for j := range paths {
			put(t, s, fmt.Sprintf("/tags/%d", j), fmt.Sprint(i))
		}
	}
}

// manyPaths writes paths as those of blobs: half of each is random.
func manyPaths(t testing.TB, s *seat, n int) {
	t.Helper()
	for i := 0; i < n; i += 1000 {
		var ops []pathmap.Op
		for j := range 1000 {
			e := entryOf(t, fmt.Sprint(i+j))
			ops = append(ops, pathmap.Op{Path: blobPath(i + j), Entry: &e})
		}
		if err := s.m.Write(t.Context(), ops...); err != nil {
			t.Fatal(err)
		}
	}
}

func blobPath(i int) string {
	return fmt.Sprintf("/docker/registry/v2/blobs/sha256/%x/data", sha256.Sum256([]byte(fmt.Sprint(i))))
}

// tookState: a newcomer has what the others have, and came to it by a state.
func tookState(t *testing.T, s *seat, others ...*seat) {
	t.Helper()
	agree(t, append(others, s)...)
	caughtUp(t, s)
	if !s.m.BeganWithState() {
		t.Fatalf("%s read a history: %+v", s.id, s.m.States())
	}
	eventually(t, "it counts the state", func() bool { return s.m.States().Taken == 1 })
	if w := s.warnings(); len(w) > 0 {
		t.Errorf("%s warns: %q", s.id, w)
	}
}

func TestANewcomerTakesTheState(t *testing.T) {
	f := stateful(t)
	a := f.add("a")
	overwrite(t, a, 10, 30)
	del(t, a, "/tags/3")
	b := f.add("b")
	tookState(t, b, a)
	if n, err := b.m.CountOrdered(); err != nil || n > 3 {
		t.Errorf("it read %d deltas: %v", n, err)
	}
	if got, want := b.m.Writers()["a"], a.m.Greatest(); got < want {
		t.Errorf("it knows of %d versions of a, of %d", got, want)
	}
	// From then on it is a member like any other: its writes replace and delete what came.
	put(t, b, "/tags/1", "of b")
	del(t, b, "/tags/2")
	put(t, a, "/tags/4", "later")
	agree(t, a, b)
	if n := a.m.View().Versions("/tags/1"); n != 1 || !has(a, "/tags/1", "of b", t) || !gone(a, "/tags/2") || !gone(b, "/tags/3") {
		t.Errorf("%d versions of what b overwrote, or a delete was lost", n)
	}
	restartKeepsTheMap(t, b)
	put(t, b, "/tags/5", "after the restart")
	agree(t, a, b)
	// It hands the state on.
	a.stop()
	c := f.add("c")
	tookState(t, c, b)
	put(t, c, "/tags/6", "of c")
	agree(t, b, c)
	a.start()
	put(t, a, "/tags/7", "of a")
	agree(t, a, b, c)
}

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
	db := openBadger(t, s.dir)
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
	restartKeepsTheMap(t, b)
}

// TestAStateThatIsInterrupted cuts the connection again and again: what came stays, and is not sent
// anew.
func TestAStateThatIsInterrupted(t *testing.T) {
	f := stateful(t)
	a := f.add("a")
	manyPaths(t, a, 6000)
	f.cutAfter.Store(100 << 10)
	b := f.add("b")
	eventually(t, "some attempts break off", func() bool { return b.m.States().Broken > 2 })
	if b.m.View().Len() > 0 {
		t.Error("a part of a state is visible")
	}
	put(t, b, "/own", "1")
	b.stop()
	b.start()
	if b.m.View().Len() != 1 {
		t.Errorf("after a restart %d paths of a part of a state are visible", b.m.View().Len())
	}
	overwrite(t, a, 10, 3)
	del(t, a, blobPath(1001))
	eventually(t, "some attempts break off", func() bool { return b.m.States().Broken > 2 })
	put(t, a, blobPath(2002), "other")
	f.cutAfter.Store(0)
	agree(t, a, b)
	caughtUp(t, b)
	if !b.m.BeganWithState() {
		t.Error("it read a history")
	}
	restartKeepsTheMap(t, b)
	put(t, b, "/own", "2")
	agree(t, a, b)
}

// TestTheGiverDies: another member goes on with what came from the first.
func TestTheGiverDies(t *testing.T) {
	f := stateful(t)
	a, c := f.add("a"), f.add("c")
	manyPaths(t, a, 6000)
	agree(t, a, c)
	f.isolate("c", true)
	l := f.slow(a.id, 3<<20)
	b := f.add("b")
	eventually(t, "some pages come", func() bool { p, ok := b.m.Taking(); return ok && p.Paths > 1000 && p.Paths < p.Of })
	a.stop()
	came := l.read.Load()
	del(t, c, blobPath(1))
	f.isolate("c", false)
	tookState(t, b, c)
	t.Logf("%d bytes came from the first", came)
	restartKeepsTheMap(t, b)
}

// TestAFullDiskWhileAStateComes fails its transactions in every way: nothing of it is visible before
// all of it is, and it comes in the end.
func TestAFullDiskWhileAStateComes(t *testing.T) {
	for _, unsure := range []bool{false, true} {
		f := stateful(t)
		a := f.add("a")
		overwrite(t, a, 10, 30)
		f.isolate("b", true)
		b := f.add("b")
		put(t, b, "/own", "1")
		b.disk.full.Store(!unsure)
		b.disk.unsure.Store(unsure)
		f.isolate("b", false)
		eventually(t, "transactions fail", func() bool { return b.disk.failed.Load() > 5 })
		if n := b.m.View().Len(); n != 1 && n != a.m.View().Len()+1 {
			t.Errorf("%d paths of a part of a state are visible", n)
		}
		b.disk.full.Store(false)
		b.disk.unsure.Store(false)
		agree(t, a, b)
		caughtUp(t, b)
		if !b.m.BeganWithState() || !has(b, "/own", "1", t) || !has(a, "/own", "1", t) {
			t.Error("it read a history, or lost its own")
		}
		restartKeepsTheMap(t, b)
		put(t, b, "/own", "2")
		put(t, a, "/tags/1", "last")
		agree(t, a, b)
	}
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

// TestNewcomersThatArePushedTo join, three at once, while they and their giver are written to, and are
// stopped at any moment: what was acknowledged is there in the end, and what was deleted is not.
func TestNewcomersThatArePushedTo(t *testing.T) {
	f := stateful(t)
	a := f.add("a")
	manyPaths(t, a, 2000)
	var names []string
	for round := range 2 {
		var g sync.WaitGroup
		news := []*seat{f.add(fmt.Sprint("x", round)), f.add(fmt.Sprint("y", round)), f.add(fmt.Sprint("z", round))}
		for n, s := range append(news, a) {
			for i := range 30 {
				names = append(names, fmt.Sprintf("/push/%d/%d/%d", round, n, i))
			}
			g.Go(func() {
				for i := range 30 {
					path := fmt.Sprintf("/push/%d/%d/%d", round, n, i)
					put(t, s, path, "1")
					put(t, s, path+"/deleted", "1")
					del(t, s, path+"/deleted")
					if s != a && i == 10+n {
						s.stop()
						s.start()
					}
				}
			})
		}
		g.Wait()
		agree(t, append(news, a)...)
		for _, s := range append(news, a) {
			for _, path := range names {
				if !has(s, path, "1", t) || !gone(s, path+"/deleted") {
					t.Errorf("%s lost a write of %s", s.id, path)
				}
			}
			restartKeepsTheMap(t, s)
		}
		for _, s := range news {
			t.Logf("%s: %+v", s.id, s.m.States())
			s.stop()
		}
	}
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

// TestAStateThatCouldNotBeTaken is taken later: its member has no history.
func TestAStateThatCouldNotBeTaken(t *testing.T) {
	f := stateful(t)
	a := f.add("a")
	overwrite(t, a, 10, 30)
	b := f.add("b")
	tookState(t, b, a)
	a.stop()
	f.isolate("c", true)
	c := f.add("c")
	c.m.BarState(b.id)
	f.isolate("c", false)
	agree(t, b, c)
	caughtUp(t, c)
}

// TestHeadsThatAreTooLargeForOneTransaction: the history is read.
func TestHeadsThatAreTooLargeForOneTransaction(t *testing.T) {
	f := stateful(t)
	a := f.add("a")
	overwrite(t, a, 10, 3)
	for i := range 6 {
		id := peer.ID(fmt.Sprint("w", i))
		f.isolate(id, true)
		w := f.add(string(id))
		var ops []pathmap.Op
		for j := range 400 {
			e := entryOf(t, fmt.Sprint(i, j))
			ops = append(ops, pathmap.Op{Path: fmt.Sprintf("/%s/%d/%d", strings.Repeat("long", 450), i, j), Entry: &e})
		}
		if err := w.m.Write(t.Context(), ops...); err != nil {
			t.Fatal(err)
		}
		f.isolate(id, false)
		eventually(t, "it is merged", func() bool { return a.m.View().Len() == 10+400*(i+1) })
		f.isolate(id, true)
	}
	b := f.add("b")
	agree(t, a, b)
	if b.m.BeganWithState() {
		t.Error("all of them went in one transaction")
	}
}

// TestNamesThatNeverComeWhole, because the connection breaks again and again: they begin anew each time,
// so the history is read, of which all that comes stays.
func TestNamesThatNeverComeWhole(t *testing.T) {
	f := stateful(t)
	a := f.add("a")
	overwrite(t, a, 10, 250)
	f.cutAfter.Store(60 << 10)
	b := f.add("b")
	agree(t, a, b)
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

// TestAStateIsTakenOnce, though its member lacks something itself, and so nobody has been caught up with.
func TestAStateIsTakenOnce(t *testing.T) {
	f := stateful(t)
	a := f.add("a")
	overwrite(t, a, 10, 30)
	a.m.Owe("b")
	f.isolate("b", true)
	b := f.add("b")
	b.m.Joining(true)
	f.isolate("b", false)
	agree(t, a, b)
	for i := range 10 {
		put(t, a, fmt.Sprintf("/later/%d", i), "1")
		agree(t, a, b)
	}
	if n := b.m.States().Taken; n != 1 {
		t.Errorf("it took %d states", n)
	}
}
