package pathmap_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/ipfs/go-cid"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// TestWhatAMemberLacksIsCounted: of a history that two wrote at the same time.
func TestWhatAMemberLacksIsCounted(t *testing.T) {
	f := quietFabric(t)
	a, b := f.add("a"), f.add("b")
	write := func(s *seat, n int, prefix string) {
		for i := range n {
			put(t, s, fmt.Sprintf("/%s%d", prefix, i), "x")
		}
	}
	lacks := func(ours, theirs []cid.Cid, want int) {
		t.Helper()
		n, more, err := a.m.Lacks(ours, theirs)
		if n != want || more || err != nil {
			t.Errorf("lacks %d (more: %v), not %d: %v", n, more, want, err)
		}
	}
	write(a, 3, "before")
	lacks(a.m.Heads(), nil, 3) // it has nothing
	hear(t, b, a, 0)
	common := b.m.Heads()
	write(a, 4, "here")
	write(b, 6, "there")
	ours, theirs := a.m.Heads(), b.m.Heads()
	lacks(ours, common, 4)
	if _, _, err := a.m.Lacks(ours, theirs); !errors.Is(err, pathmap.ErrNotHere) || a.m.HasDelta(theirs[0]) {
		t.Errorf("of a delta that is not here: %v", err)
	}
	hear(t, a, b, 0)
	lacks(a.m.Heads(), theirs, 4)
	lacks(a.m.Heads(), ours, 6)
	lacks(a.m.Heads(), common, 10)
	lacks(a.m.Heads(), a.m.Heads(), 0)
	lacks(common, a.m.Heads(), 0) // it has more than that
	write(a, 1, "after")
	lacks(a.m.Heads(), theirs, 5)
}

func TestLackingIsCountedToABound(t *testing.T) {
	f := quietFabric(t)
	a := f.add("a")
	for i := range pathmap.MostLacking + 1 {
		put(t, a, fmt.Sprintf("/p%d", i), "x")
	}
	if n, more, err := a.m.Lacks(a.m.Heads(), nil); n != pathmap.MostLacking || !more || err != nil {
		t.Errorf("%d, more %v, %v", n, more, err)
	}
}
