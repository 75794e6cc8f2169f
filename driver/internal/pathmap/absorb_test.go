package pathmap_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	ds "github.com/ipfs/go-datastore"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// returns has c come back to a, which has dropped what c lacks, and tells when c has taken a's state.
func returns(t *testing.T, f *fabric, a, c *seat, meanwhile func()) {
	t.Helper()
	f.isolate(c.id, true)
	overwrite(t, a, 5, 4)
	meanwhile()
	compact(t, a)
	taken := c.m.States().Taken
	f.isolate(c.id, false)
	agree(t, a, c)
	eventually(t, "it takes a state", func() bool { return c.m.States().Taken > taken })
}

// absorbed: nothing is left of a state beside its versions and, once each, its names.
func absorbed(t *testing.T, s *seat) {
	t.Helper()
	eventually(t, "the names of states are moved", func() bool {
		has, err := s.disk.Has(t.Context(), pathmap.CutKey)
		if err != nil {
			t.Fatal(err)
		}
		return !has
	})
	if left := append(s.keysBelow(t, pathmap.BehindKey.String()), s.keysBelow(t, pathmap.DropKey.String())...); len(left) > 0 {
		t.Errorf("%d keys are left of states, such as %s", len(left), left[0])
	}
}

// TestTenReturns: the names in a state are stored once, however often a member takes one, and are looked
// up in one place.
func TestTenReturns(t *testing.T) {
	f := newFabric(t)
	f.interval = 20 * time.Millisecond
	a, c := f.add("a"), f.add("c")
	overwrite(t, a, 5, 4)
	agree(t, a, c)
	written := 20
	for i := range 10 {
		returns(t, f, a, c, func() { put(t, c, "/of-c", fmt.Sprint(i)) })
		written += 21
	}
	absorbed(t, c)
	names, bytes := 0, 0
	for _, key := range c.keysBelow(t, pathmap.BygoneKey.String()) {
		names++
		bytes += len(key) - len(pathmap.BygoneKey.String()) - 1
	}
	if names > written || names < written-40 || bytes > 34*names {
		t.Errorf("%d names of %d changes take %d bytes beside their prefix", names, written, bytes)
	}
	nobodys := noDelta(a.m.Heads()[0])
	eventually(t, "two keys are read for what is not here", func() bool { // but for what others ask meanwhile
		c.disk.namesRead.Store(0)
		return !c.m.HasDelta(nobodys) && c.disk.namesRead.Load() == 2
	})
	t.Logf("%d changes: %d names, %d bytes of them", written, names, bytes)
	restartKeepsTheMap(t, c)
	absorbed(t, c)
	put(t, c, "/of-c", "last")
	del(t, c, "/tags/1")
	agree(t, a, c)
	d := f.add("d")
	a.stop() // c gives its state, with the names of all
	agree(t, c, d)
	absorbed(t, d)
}

// TestNamesThatCouldNotBeMoved are moved later, without another state or a start.
func TestNamesThatCouldNotBeMoved(t *testing.T) {
	f := newFabric(t)
	f.interval = 20 * time.Millisecond
	a, c := f.add("a"), f.add("c")
	put(t, a, "/first", "1")
	agree(t, a, c)
	c.m.StartCompacting(pathmap.Compaction{Known: func() ([]string, error) { return nil, nil }, Keep: 1 << 20, Every: 20 * time.Millisecond})
	c.disk.moves.Store(failMove)
	returns(t, f, a, c, func() {})
	eventually(t, "a step fails", func() bool { return c.disk.moves.Load() == 0 })
	absorbed(t, c)
}

// TestKilledWhileNamesAreMoved ends a registry in the middle, before and after a step is on disk. No name
// is ever missing: what lies behind the cut is known all the time.
func TestKilledWhileNamesAreMoved(t *testing.T) {
	f := newFabric(t)
	f.interval = 20 * time.Millisecond
	a, c := f.add("a"), f.add("c")
	put(t, a, "/first", "1")
	first := a.m.Heads()[0]
	agree(t, a, c)
	f.isolate("c", true)
	put(t, a, "/missed", "1")
	missed := a.m.Heads()[0]
	for _, written := range []bool{false, true, false, true, true} {
		c.disk.moves.Store(map[bool]int64{false: failMove, true: unsureMove}[written])
		returns(t, f, a, c, func() {})
		eventually(t, "a step fails", func() bool { return c.disk.moves.Load() == 0 })
		for range 2 {
			if !c.m.HasDelta(first) || !c.m.HasDelta(missed) {
				t.Fatal("it does not know what it has merged")
			}
			restartKeepsTheMap(t, c)
		}
		absorbed(t, c)
	}
	put(t, c, "/of-c", "1")
	agree(t, a, c)
}

// TestNamesStayWhileACutLacksThem: while c gives its state it takes one. The state that it gives knows
// nothing of that, so its names must not look like the past of c's own.
func TestNamesStayWhileACutLacksThem(t *testing.T) {
	f := newFabric(t)
	f.interval = 20 * time.Millisecond
	a, c := f.add("a"), f.add("c")
	overwrite(t, a, 5, 4)
	agree(t, a, c)
	put(t, c, "/of-c", "1")
	agree(t, a, c)
	compact(t, c) // else its history is read
	closeCut, err := c.m.OpenCut("d")
	if err != nil {
		t.Fatal(err)
	}
	returns(t, f, a, c, func() {})
	names, err := c.m.NamesOfCut("d")
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range a.m.Heads() {
		if slices.Contains(names, pathmap.IDOf(h)) {
			t.Error("a change that came with a state is told to be older than the cut")
		}
	}
	if len(c.keysBelow(t, pathmap.BehindKey.String())) == 0 {
		t.Error("its names were moved to where the cut finds them")
	}
	closeCut()
	absorbed(t, c)
}

// TestBlocksThatAStateOvertook: blocks that came before a state, and of which the parents never came, go.
func TestBlocksThatAStateOvertook(t *testing.T) {
	f := newFabric(t)
	f.interval = 20 * time.Millisecond
	a, c := f.add("a"), f.add("c")
	overwrite(t, a, 5, 4)
	agree(t, a, c)
	had := c.keysBelow(t, pathmap.BlockKey.String())
	returns(t, f, a, c, func() {
		put(t, a, "/missed", "1")
		missed := pathmap.BlockKey.String() + pathmap.IDOf(a.m.Heads()[0])
		put(t, a, "/not-missed", "1")
		blocks := map[string][]byte{}
		for _, key := range a.keysBelow(t, pathmap.BlockKey.String()) {
			if slices.Contains(had, key) || key == missed {
				continue
			}
			b, err := a.disk.Get(t.Context(), ds.RawKey(key))
			if err != nil {
				t.Fatal(err)
			}
			blocks[key] = b
		}
		overwrite(t, a, 5, 2)
		c.stop()
		c.editDisk(t, func(db ds.Datastore) {
			for key, b := range blocks {
				if err := db.Put(t.Context(), ds.RawKey(key), b); err != nil {
					t.Fatal(err)
				}
			}
		})
		c.start()
	})
	absorbed(t, c)
	for _, key := range c.keysBelow(t, pathmap.BlockKey.String()) {
		id := strings.TrimPrefix(key, pathmap.BlockKey.String())
		if merged, err := c.disk.Has(t.Context(), ds.RawKey(pathmap.KnownKey.String()+id)); err != nil || !merged {
			t.Errorf("block %s stays, and is not merged: %v", id, err)
		}
	}
	restartKeepsTheMap(t, c)
	put(t, c, "/of-c", "1")
	agree(t, a, c)
}

// TestNoNameIsAllThatIsKeptBeforeThatIsNoted: neither is anything compacted, nor do the names of a state
// move, while the caller could not write down that earlier releases are not to open the datastore.
func TestNoNameIsAllThatIsKeptBeforeThatIsNoted(t *testing.T) {
	f := newFabric(t)
	f.interval = 20 * time.Millisecond
	a, c := f.add("a"), f.add("c")
	overwrite(t, a, 5, 4)
	agree(t, a, c)
	full := errors.New("the disk is full")
	c.stop()
	c.beforeNames = func(context.Context) error { return full }
	c.start()
	returns(t, f, a, c, func() {})
	overwrite(t, c, 5, 4)
	agree(t, a, c)
	before := ordered(t, c)
	if err := c.m.Compact(t.Context(), compaction(a)); !errors.Is(err, full) || ordered(t, c) != before {
		t.Errorf("%v; %d changes were dropped", err, before-ordered(t, c))
	}
	c.stop()
	c.start()
	c.m.Absorb()
	if names := c.keysBelow(t, pathmap.BygoneKey.String()); len(names) > 0 || len(c.keysBelow(t, pathmap.BehindKey.String())) == 0 {
		t.Errorf("%d names moved", len(names))
	}
	c.stop()
	c.beforeNames = nil
	c.start()
	absorbed(t, c)
	if compact(t, c, a) == 0 {
		t.Error("nothing is dropped")
	}
}
