package replica

import (
	"context"
	"slices"
	"testing"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// TestFewestCopiesFirst: what has one copy is fetched before all that has two, wherever it is in the
// map, and what nobody has comes last; each once, and the small ones of a page first.
func TestFewestCopiesFirst(t *testing.T) {
	view := mapOf(3000) // 21,000 paths, 6,000 blobs
	copiesOf := map[string]int{}
	for i := range 6000 {
		copiesOf[blobOf(i).KeyString()] = []int{2, 1, 7, 0, 2, 3, 9, 1}[i%8]
	}
	fetched := map[string]bool{}
	var order []int
	looks, asked := 0, 0
	p := pass{
		view: func() pathmap.View { looks++; return view },
		lacks: func(e pathmap.Entry) bool {
			_, inline := dag.InlineBytes(e.CID)
			return !inline && !fetched[e.CID.KeyString()]
		},
		held: func() bool { return false },
		count: func(_ context.Context, some []missing) {
			asked++
			if len(some) > 1000 {
				t.Fatalf("%d blobs in one question", len(some))
			}
			for i := range some {
				some[i].Copies = copiesOf[some[i].Blob.KeyString()]
			}
		},
	}
	p.try = func(path string) bool {
		e, err := view.Get(path)
		if err != nil || fetched[e.CID.KeyString()] {
			t.Fatalf("%s: %v", path, err)
		}
		fetched[e.CID.KeyString()] = true
		order = append(order, rankOf(copiesOf[e.CID.KeyString()]))
		return true
	}
	if !p.all(t.Context()) || len(order) != 6000 || !slices.IsSorted(order) {
		t.Errorf("%d of 6000 are fetched, in order: %v", len(order), slices.IsSorted(order))
	}
	if looks > 5*22 || asked > 30 {
		t.Errorf("%d looks at the map, %d questions", looks, asked)
	}
}

// TestAWalkIsInterrupted by a hold, by what is tried, and by its context.
func TestAWalkIsInterrupted(t *testing.T) {
	view := mapOf(300)
	p := pass{
		view:  func() pathmap.View { return view },
		lacks: func(e pathmap.Entry) bool { _, inline := dag.InlineBytes(e.CID); return !inline },
		held:  func() bool { return false }, count: func(context.Context, []missing) {},
		try: func(string) bool { return true },
	}
	if !p.all(t.Context()) {
		t.Error("nothing speaks against it")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if p.all(ctx) {
		t.Error("its context has ended")
	}
	p.try = func(string) bool { return false }
	if p.all(t.Context()) {
		t.Error("a try was the last")
	}
	p.held = func() bool { return true }
	if p.all(t.Context()) {
		t.Error("there is a hold")
	}
}
