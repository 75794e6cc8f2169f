package pathmap_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// TestHeadsThatAreTooLargeForOneTransaction: the history is read.
func TestHeadsThatAreTooLargeForOneTransaction(t *testing.T) {
	if testing.Short() {
		t.Skip("the datastore takes a minute for keys of kilobytes with the race detector: make test-long")
	}
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
	overwrite(t, a, 10, 50)
	f.cutAfter.Store(12 << 10) // less than all names
	b := f.add("b")
	agree(t, a, b)
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
