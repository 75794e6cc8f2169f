package pathmap_test

import (
	"fmt"
	"testing"
)

// TestKilledWhileCompacting ends a registry at each step, before and after that step is on disk. What
// is left is dropped later, and at no time is the map another one, or apart from that of a member.
func TestKilledWhileCompacting(t *testing.T) {
	f := newFabric(t)
	a, b := f.add("a"), f.add("b")
	overwrite(t, a, 10, 60)
	del(t, a, "/tags/3")
	agree(t, a, b)
	compacted, killed := 0, 0
	for step := range 6 {
		written := step%2 == 1
		a.disk.full.Store(!written)
		a.disk.unsure.Store(written)
		err := a.m.Compact(t.Context(), compaction(b))
		a.disk.full.Store(false)
		a.disk.unsure.Store(false)
		if err != nil {
			killed++
		}
		restartKeepsTheMap(t, a)
		n := a.m.History().Compacted
		if grew := n > compacted; grew != written {
			t.Errorf("step %d, on disk %v: %d deltas are dropped, %d were", step, written, n, compacted)
		}
		compacted = n
		put(t, a, fmt.Sprintf("/tags/%d", step%3), fmt.Sprint("step ", step))
		del(t, b, "/tags/4")
		put(t, b, "/tags/4", fmt.Sprint("step ", step))
		agree(t, a, b)
	}
	compact(t, a, b)
	if left := ordered(t, a); killed < 6 || compacted < 550 || left > 2*keepFew {
		t.Errorf("killed %d times: %d deltas were dropped, %d are left", killed, compacted, left)
	}
	if !gone(a, "/tags/3") || a.m.View().Versions("/tags/1") != 1 {
		t.Error("what was deleted came back")
	}
	b.stop() // it has the history
	c := f.add("c")
	tookState(t, c, a)
}
