package pathmap_test

import (
	"fmt"
	"strings"
	"testing"

	ds "github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// keysBelow are the keys that a member has on disk below another one.
func (s *seat) keysBelow(t testing.TB, below string) (keys []string) {
	t.Helper()
	res, err := s.disk.Query(t.Context(), query.Query{Prefix: below, KeysOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	entries, err := res.Rest()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		keys = append(keys, e.Key)
	}
	return keys
}

// awayFor has c miss what a does to many paths, half of which it deletes and half of which it writes
// anew, and then meet only b, which joined by a's state.
func awayFor(t *testing.T, f *fabric, paths int) (b, c *seat) {
	t.Helper()
	a, c := f.add("a"), f.add("c")
	manyPaths(t, a, paths)
	agree(t, a, c)
	f.isolate("c", true)
	put(t, c, "/of-c", "1")
	for i := 0; i < paths; i += 500 {
		var ops []pathmap.Op
		for j := i; j < i+500; j++ {
			op := pathmap.Op{Path: blobPath(j)}
			if j%2 == 0 {
				e := entryOf(t, fmt.Sprint("again", j))
				op.Entry = &e
			}
			ops = append(ops, op)
		}
		if err := a.m.Write(t.Context(), ops...); err != nil {
			t.Fatal(err)
		}
	}
	b = f.add("b")
	tookState(t, b, a)
	a.stop()
	return b, c
}

// TestAStateThatDeletesManyPaths: a registry was away while 5,000 of its paths were deleted or written
// anew, and is killed while it deletes them on disk.
func TestAStateThatDeletesManyPaths(t *testing.T) {
	paths := 5000
	if testing.Short() {
		paths = 1000
	}
	f := stateful(t)
	b, c := awayFor(t, f, paths)
	c.disk.dropsLeft.Store(3)
	f.isolate("c", false)
	agree(t, b, c)
	if n := c.m.View().Len(); n != paths/2+1 || !has(b, "/of-c", "1", t) || !gone(c, blobPath(1)) || !has(c, blobPath(2), "again2", t) {
		t.Errorf("it shows %d paths", n)
	}
	eventually(t, "deleting on disk is interrupted", func() bool { return c.disk.failed.Load() > 0 })
	left := len(c.keysBelow(t, pathmap.DropKey.String()))
	if left == 0 || left == paths {
		t.Errorf("%d of %d paths are left to delete: the test tests little", left, paths)
	}
	// Whatever it has come to, readers see the state. Kills are as stops are: all that is on disk was synced.
	restartKeepsTheMap(t, c)
	put(t, c, "/of-c", "2")
	agree(t, b, c)
	c.disk.dropsLeft.Store(0)
	restartKeepsTheMap(t, c)
	eventually(t, "all of it is deleted", func() bool { return len(c.keysBelow(t, pathmap.DropKey.String())) == 0 })
	for _, below := range []string{pathmap.LiveKeys + "/f", pathmap.ElemKeys + "/f"} {
		for _, key := range c.keysBelow(t, below) {
			if strings.HasPrefix(key, below+blobPath(1)+":") {
				t.Errorf("%s is left on disk", key)
			}
		}
	}
	restartKeepsTheMap(t, c)
	if w := c.warnings(); len(w) > 0 {
		t.Errorf("it warns: %q", w)
	}
	b.stop()
	d := f.add("d")
	tookState(t, d, c)
}

// TestAStateThatDoesNotBecomeTheMap, because its transaction fails, leaves nothing that is seen, and
// nothing that stays.
func TestAStateThatDoesNotBecomeTheMap(t *testing.T) {
	f := stateful(t)
	b, c := awayFor(t, f, 1000)
	digest, names := c.m.View().Digest(), len(c.keysBelow(t, pathmap.BehindKey.String()))
	c.disk.noState.Store(true)
	f.isolate("c", false)
	eventually(t, "it fails", func() bool { return c.disk.failed.Load() > 0 })
	if c.m.View().Digest() != digest {
		t.Error("what was not committed is seen")
	}
	left := func() int {
		return len(c.keysBelow(t, pathmap.BehindKey.String())) - names + len(c.keysBelow(t, pathmap.DropKey.String()))
	}
	f.isolate("c", true)
	eventually(t, "nothing of it stays", func() bool { return left() == 0 })
	// Nor what a kill leaves.
	c.stop()
	db := openStore(t, c.dir)
	for _, key := range []ds.Key{pathmap.BehindKey, pathmap.DropKey} {
		if err := db.Put(t.Context(), key.ChildString("0123456789abcdef/f/x"), nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	c.disk.noState.Store(false)
	c.start()
	if n := left(); n > 0 || c.m.View().Digest() != digest {
		t.Errorf("%d keys are left after a start", n)
	}
	f.isolate("c", false)
	agree(t, b, c)
	restartKeepsTheMap(t, c)
}
