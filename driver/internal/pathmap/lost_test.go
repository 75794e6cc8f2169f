package pathmap_test

import (
	"fmt"
	"testing"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// TestAStateDeletesNoVersionThatAnotherChangeKeepsAlive: two changes wrote a version. The one that the
// member knows is deleted on both sides, and the one that it does not know is not.
func TestAStateDeletesNoVersionThatAnotherChangeKeepsAlive(t *testing.T) {
	const paths = 8 // which of two changes is found first hangs on their names
	f := stateful(t)
	a, c := f.add("a"), f.add("c")
	overwrite(t, a, 5, 3)
	path := func(i int) string { return fmt.Sprintf("/twice/%d", i) }
	first := map[string]string{} // key → the change that both know
	for i := range paths {
		put(t, a, path(i), "1")
		first[a.m.KeyOfVersion(path(i))] = pathmap.IDOf(a.m.Heads()[0])
	}
	agree(t, a, c)
	f.isolate("c", true)
	for i := range paths {
		del(t, a, path(i))
	}
	overwrite(t, a, 5, 10)
	b := f.add("b")
	tookState(t, b, a)
	a.stop()
	for key, id := range first {
		if err := c.m.MergeElement(key, entryOf(t, "2")); err != nil {
			t.Fatal(err)
		}
		if err := c.m.MergeTombstone(key, id); err != nil {
			t.Fatal(err)
		}
	}
	for i := range paths {
		if !has(c, path(i), "2", t) {
			t.Fatalf("%s is not alive before", path(i))
		}
	}
	before := c.m.States().Taken
	trust := func(yes bool) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.untrusted["c"] = !yes
	}
	trust(false) // b merges nothing of it before
	f.isolate("c", false)
	eventually(t, "it takes the state", func() bool { return c.m.States().Taken > before })
	for i := range paths {
		if !has(c, path(i), "2", t) {
			t.Errorf("the state deleted %s", path(i))
		}
	}
	if t.Failed() {
		return
	}
	trust(true)
	agree(t, b, c)
	for i := range paths {
		for _, s := range []*seat{b, c} {
			if !has(s, path(i), "2", t) {
				t.Errorf("%s lost %s", s.id, path(i))
			}
		}
	}
	restartKeepsTheMap(t, c)
}
