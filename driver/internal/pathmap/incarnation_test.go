package pathmap_test

import (
	"os"
	"slices"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// copyOf is a seat's datastore as it lies on disk; the seat is stopped.
func copyOf(t *testing.T, s *seat) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(s.dir)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// vouched waits until a seat has heard from members of its own writes.
func vouched(t *testing.T, s *seat, members ...*seat) {
	t.Helper()
	eventually(t, "the members speak for it", func() bool {
		for _, m := range members {
			s.m.Joined(m.id)
		}
		return s.m.Vouched()
	})
}

// TestAnIncarnationIsKept where all members know of no newer write, and only there.
func TestAnIncarnationIsKept(t *testing.T) {
	f := newFabric(t)
	a, b, c := f.add("a"), f.add("b"), f.add("c")
	put(t, a, "/p", "1")
	first := a.m.Incarnation()
	agree(t, a, b, c)
	restart := func() { a.stop(); a.start() }

	restart()
	vouched(t, a, b, c)
	put(t, a, "/p", "2")
	if got := a.m.Incarnation(); first == "" || got != first {
		t.Errorf("all members spoke for %q: it is %q now", first, got)
	}
	agree(t, a, b, c)

	c.stop() // it may know of writes that nobody else does
	restart()
	eventually(t, "b is heard", func() bool { return happened(a.m.CaughtUp()) })
	put(t, a, "/p", "3")
	second := a.m.Incarnation()
	if second == first {
		t.Error("one member is away: nobody knows what it has seen")
	}
	put(t, a, "/p", "4")
	del(t, a, "/p")
	if got := a.m.Incarnation(); got != second {
		t.Errorf("it changes from write to write: %q, %q", second, got)
	}
	restart()
	del(t, a, "/p") // makes no version
	if got := a.m.Incarnation(); got != second {
		t.Error("a registry that only deletes took a new one")
	}
}

// TestWritesOfARestoredDatastore are told apart from those it has forgotten: here both
// have one counter, and the members know one of them when the other is written.
func TestWritesOfARestoredDatastore(t *testing.T) {
	f := newFabric(t)
	a, b := f.add("a"), f.add("b")
	put(t, a, "/p", "0")
	agree(t, a, b)
	a.stop()
	old := copyOf(t, a)
	a.start()
	vouched(t, a, b)
	put(t, a, "/p", "forgotten")
	agree(t, a, b)
	a.stop()
	a.dir = old
	f.isolate("a", true) // it writes before it hears of what it has forgotten
	a.start()
	put(t, a, "/p", "new")
	f.isolate("a", false)
	agree(t, a, b)
	if n := b.m.View().Versions("/p"); n != 2 {
		t.Errorf("%d of the two writes are there", n)
	}

	a.stop() // and once more: this time it hears first
	a.dir = copyOf(t, &seat{dir: old})
	a.start()
	caughtUp(t, a)
	put(t, a, "/p", "last")
	agree(t, a, b)
	if !has(b, "/p", "last", t) || b.m.View().Versions("/p") != 1 {
		t.Error("the push after the second restore does not win")
	}
}

// TestForgottenWritesAreNotRecent: a version that this registry wrote before its datastore
// was restored from a backup, and hears of only now, may be of any age.
func TestForgottenWritesAreNotRecent(t *testing.T) {
	f := newFabric(t)
	a, b := f.add("a"), f.add("b")
	put(t, a, "/p", "0")
	agree(t, a, b)
	a.stop()
	old := copyOf(t, a)
	a.start()
	put(t, a, "/p", "1")
	put(t, a, "/q", "forgotten")
	agree(t, a, b)
	a.stop()
	a.dir = old
	f.isolate("a", true)
	a.start()
	put(t, a, "/r", "new")
	f.isolate("a", false)
	agree(t, a, b)
	if !a.m.Wrote("/r", time.Hour) || a.m.Wrote("/q", time.Hour) {
		t.Error("it does not tell what it wrote in this run")
	}
}

// TestRunsOfOnePeerID tells two that run at once from one that is started again.
func TestRunsOfOnePeerID(t *testing.T) {
	const second = time.Second
	now := time.Now()
	for name, c := range map[string]struct {
		heard string // one run a second
		twin  bool
	}{
		"one":                       {"aaaaaa", false},
		"started again":             {"aaabbb", false},
		"started again and again":   {"abcdef", false},
		"something came late":       {"aaababbb", false},
		"two at once":               {"ababa", true},
		"two at once, one is quick": {"aabaabaaba", true},
		"three":                     {"abcabcabc", true},
	} {
		var r pathmap.Runs
		twin := false
		for i, run := range c.heard {
			twin, _ = r.Hear("x", string(run), now.Add(time.Duration(i)*second), second)
		}
		if twin != c.twin {
			t.Errorf("%s: %v", name, twin)
		}
	}
	var r pathmap.Runs
	for i, run := range "ababab" {
		r.Hear("x", string(run), now.Add(time.Duration(i)*second), second)
	}
	if twin, _ := r.Hear("x", "a", now.Add(2*time.Minute), second); twin {
		t.Error("the other has been gone for long")
	}
	if _, fresh := r.Hear("y", "a", now, second); !fresh {
		t.Error("another peer's runs count")
	}
	if _, fresh := r.Hear("y", "b", now.Add(second), second); fresh {
		t.Error("another run was heard just now")
	}
	if _, fresh := r.Hear("y", "b", now.Add(time.Minute), second); !fresh {
		t.Error("the other run was heard long ago")
	}
}

// TestTwoRunWithOnePeerID on copies of one datastore: a third member tells both of it, and
// tells them when it is over; their versions differ.
func TestTwoRunWithOnePeerID(t *testing.T) {
	f := newFabric(t)
	a, b := f.add("a"), f.add("b")
	put(t, a, "/p", "0")
	agree(t, a, b)
	a.stop()
	clone := &seat{f: f, id: a.id, dir: copyOf(t, a)}
	a.start()
	eventually(t, "it runs", func() bool { return happened(a.m.CaughtUp()) })
	clone.start() // b dials this one from now on, and answers both
	both := []*seat{a, clone}
	for _, s := range both {
		put(t, s, "/p", "of "+s.dir)
	}
	for _, s := range both {
		eventually(t, "both hear of it", func() bool { _, ok := s.m.Twin(); return ok })
		eventually(t, "the third says which", func() bool { return slices.Equal(b.m.Twins(), []peer.ID{a.id}) })
	}
	if a.m.Incarnation() == clone.m.Incarnation() {
		t.Error("both write under one name")
	}
	if _, ok := b.m.Twin(); ok {
		t.Error("the third takes it for its own")
	}
	clone.stop()
	f.mu.Lock()
	f.members[a.id] = a
	f.mu.Unlock()
	eventually(t, "the other has been gone for a while", func() bool { _, ok := a.m.Twin(); return !ok && len(b.m.Twins()) == 0 })
	agree(t, a, b)
	if said := a.warnings(); len(said) != 1 {
		t.Errorf("it said %q", said)
	}
}
