package pathmap_test

import (
	"crypto/sha256"
	"fmt"
	"sync"
	"testing"
	"time"

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

// TestAStateThatIsInterruptedWhereMuchIsHere goes on as well, of a member that was away and has most of it: on a line that
// always breaks before all came it would never come.
func TestAStateThatIsInterruptedWhereMuchIsHere(t *testing.T) {
	f := newFabric(t)
	f.interval = 20 * time.Millisecond
	a, c := f.add("a"), f.add("c")
	manyPaths(t, a, 6000)
	put(t, c, "/deleted", "1")
	agree(t, a, c)
	returns(t, f, a, c, func() {
		del(t, a, "/deleted")
		f.cutAfter.Store(100 << 10)
	})
	f.cutAfter.Store(0)
	if n := c.m.States().Broken; n < 3 {
		t.Errorf("it was interrupted %d times", n)
	}
	if !gone(c, "/deleted") {
		t.Error("what was deleted is there")
	}
	restartKeepsTheMap(t, c)
	put(t, c, "/of-c", "1")
	agree(t, a, c)
}

// TestAPageThatCouldNotBeStored was here before: what was on disk of it is gone, and is not believed to
// be there when the next member has that page again.
func TestAPageThatCouldNotBeStored(t *testing.T) {
	f := stateful(t)
	a, c := f.add("a"), f.add("c")
	manyPaths(t, a, 2000)
	agree(t, a, c)
	f.isolate("c", true)
	f.cutAfter.Store(40 << 10)
	b := f.add("b")
	eventually(t, "some attempts break off", func() bool { return b.m.States().Broken > 2 })
	b.disk.noVersions.Store(true)
	put(t, a, "/a-before-all-others", "1")
	failed := b.disk.failed.Load()
	eventually(t, "the first page is not stored", func() bool { return b.disk.failed.Load() > failed+1 })
	f.isolate("a", true)
	b.disk.noVersions.Store(false)
	f.cutAfter.Store(0)
	f.isolate("c", false)
	agree(t, b, c)
	restartKeepsTheMap(t, b)
	f.isolate("a", false)
	agree(t, a, b, c)
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
