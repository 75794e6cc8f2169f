package pathmap_test

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// overwritten is a member whose paths a revoked one wrote over. x was revoked before it wrote anything.
func overwritten(t *testing.T, paths ...string) *seat {
	t.Helper()
	a := newFabric(t).add("a")
	over := map[string]string{}
	for i, path := range paths {
		put(t, a, path, "of a")
		over[pathmap.KeyOf(path, uint64(1000+i), "x.1")] = a.m.KeyOfVersion(path)
	}
	revoke(t, a, &seat{id: "x"}, 0)
	mergeOver(t, a, over)
	for _, path := range paths {
		if !gone(a, path) {
			t.Fatalf("%.20s is there", path)
		}
	}
	return a
}

func mergeOver(t *testing.T, s *seat, over map[string]string) {
	t.Helper()
	if err := s.m.MergeOver(entryOf(t, "late"), over); err != nil {
		t.Fatal(err)
	}
}

// TestExpelIsInterrupted between two of its changes, when the first of them had no room for all: what was replaced
// comes back all the same.
func TestExpelIsInterrupted(t *testing.T) {
	path := "/" + strings.Repeat("n", 3500)
	a := overwritten(t, path)
	for i := range 300 {
		mergeOver(t, a, map[string]string{pathmap.KeyOf(path, uint64(2000+i), "x.1"): ""})
	}
	a.disk.room.Store(2)
	if err := a.m.Expel(t.Context(), true); !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	a.disk.full.Store(false)
	restartKeepsTheMap(t, a)
	if !a.m.View().LeavesOut() {
		t.Fatal("all was deleted: nothing was interrupted")
	}
	if err := a.m.Expel(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	if !has(a, path, "of a", t) || a.m.View().LeavesOut() {
		t.Error("what was replaced is lost")
	}
}

// TestExpelComesTooLate: another one has deleted what stays out, and brought back what that had replaced, and somebody
// has deleted that since.
func TestExpelComesTooLate(t *testing.T) {
	a := overwritten(t, "/p")
	ops, err := a.m.Expelling(t.Context())
	if err == nil {
		err = a.m.Expel(t.Context(), true)
	}
	if err != nil || !has(a, "/p", "of a", t) {
		t.Fatal("it is not back", err)
	}
	del(t, a, "/p")
	if err := a.m.Write(t.Context(), ops...); err != nil || !gone(a, "/p") {
		t.Error("what somebody deleted is back", err)
	}
}

// TestExpelLeavesToOthers what it cannot bring back, as one that has only the state; and does not wait for ever.
func TestExpelLeavesToOthers(t *testing.T) {
	f := newFabric(t)
	f.heeds = true
	a, x := f.add("a"), f.add("x")
	put(t, a, "/p", "of a")
	put(t, a, "/q", "of a")
	agree(t, a, x)
	f.part(map[peer.ID]int{"a": 1})
	put(t, x, "/p", "late")
	put(t, x, "/new", "late")
	f.part(nil)
	agree(t, a, x)
	f.states.Store(true)
	a.stop()
	a.start()
	f.part(map[peer.ID]int{"x": 1})
	b := f.add("b")
	tookState(t, b, a)
	revoke(t, a, x, 0)
	know(t, a, b)
	if err := b.m.Expel(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if !b.m.View().LeavesOut() {
		t.Fatal("it deleted what tells of what was replaced")
	}
	if err := a.m.Expel(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	for _, s := range []*seat{a, b} {
		eventually(t, "it has what was replaced", func() bool { return has(s, "/p", "of a", t) && gone(s, "/new") && !s.m.View().LeavesOut() })
	}
}

// TestExpelOfWhatNobodyMayWrite: a path that this release would not write does not hold up the others.
func TestExpelOfWhatNobodyMayWrite(t *testing.T) {
	a := overwritten(t, "/p")
	revoke(t, a, &seat{id: "y"}, 5)
	long := "/" + strings.Repeat("n", 4070)
	early := pathmap.KeyOf(long, 5, "y.1")
	mergeOver(t, a, map[string]string{early: ""})
	mergeOver(t, a, map[string]string{pathmap.KeyOf(long, 6, "y.1"): early})
	if err := a.m.Expel(t.Context(), true); err != nil || a.m.View().LeavesOut() || !has(a, "/p", "of a", t) {
		t.Error("it is not deleted", err)
	}
}

// TestExpelReadsAChangeOnce for all paths that it wrote over.
func TestExpelReadsAChangeOnce(t *testing.T) {
	var paths []string
	over := map[string]string{}
	for i := range 50 {
		paths = append(paths, fmt.Sprintf("/p/%d", i))
		over[pathmap.KeyOf(paths[i], uint64(1000+i), "x.1")] = ""
	}
	a := overwritten(t, paths...)
	for range 20 {
		next := map[string]string{}
		for old := range over {
			path, counter, _, _, _ := pathmap.ParseKey(old)
			next[pathmap.KeyOf(path, counter+100, "x.1")] = old
		}
		mergeOver(t, a, next)
		over = next
	}
	before := a.disk.blocksRead.Load()
	if err := a.m.Expel(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		if !has(a, path, "of a", t) {
			t.Fatalf("%s is not back", path)
		}
	}
	if n := a.disk.blocksRead.Load() - before; n > 200 {
		t.Errorf("%d changes were read, of 21 and 50", n)
	}
}

// TestExpelReadsNoFurther than some changes of a path, and deletes what stays out all the same.
func TestExpelReadsNoFurther(t *testing.T) {
	if testing.Short() {
		t.Skip("it makes a thousand changes")
	}
	a := overwritten(t, "/p", "/q")
	last := pathmap.KeyOf("/p", 1000, "x.1")
	for n := range uint64(pathmap.MaxReplaced + 10) {
		next := pathmap.KeyOf("/p", 2000+n, "x.1")
		mergeOver(t, a, map[string]string{next: last})
		last = next
	}
	before := a.disk.blocksRead.Load()
	if err := a.m.Expel(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if n := a.disk.blocksRead.Load() - before; n > pathmap.MaxReplaced+10 {
		t.Errorf("%d changes were read", n)
	}
	if !gone(a, "/p") || !has(a, "/q", "of a", t) || a.m.View().LeavesOut() {
		t.Error("what stays out is not deleted, or something else is back")
	}
}
