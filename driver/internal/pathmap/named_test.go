package pathmap_test

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/ipfs/go-cid"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// names gathers what a map tells of the CIDs that changes name.
type names struct {
	mu  sync.Mutex
	m   *pathmap.Map
	all []cid.Cid
	bad int // that could be read before they were told
}

func (n *names) tell(cids []cid.Cid) {
	n.mu.Lock()
	defer n.mu.Unlock()
	before := n.all
	n.all = append(n.all, cids...)
	if n.m == nil {
		return
	}
	n.m.View().CIDs(func(c cid.Cid) bool {
		if !slices.Contains(before, c) && slices.Contains(cids, c) {
			n.bad++
		}
		return true
	})
}

func (n *names) told(c cid.Cid) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Contains(n.all, c)
}

// TestNamedIsToldFirst: what a change names is told before the map shows it, whoever made the
// change; and all versions of a path name their CIDs, until they are deleted.
func TestNamedIsToldFirst(t *testing.T) {
	f := newFabric(t)
	a := f.add("a")
	n := &names{}
	f.named = n.tell
	b := f.add("b")
	f.named = nil
	n.mu.Lock()
	n.m = b.m
	n.mu.Unlock()
	put(t, b, "/p", "own")
	put(t, a, "/q", "member's")
	agree(t, a, b)
	f.isolate("b", true)
	put(t, a, "/p", "a's")
	put(t, b, "/p", "b's")
	f.isolate("b", false)
	agree(t, a, b)
	live := map[cid.Cid]bool{}
	if !b.m.View().CIDs(func(c cid.Cid) bool { live[c] = true; return true }) {
		t.Error("not all CIDs are known")
	}
	for _, content := range []string{"own", "member's", "a's", "b's"} {
		c := entryOf(t, content).CID
		if !n.told(c) {
			t.Errorf("%q was not told", content)
		}
		if live[c] != (content != "own") {
			t.Errorf("%q is named: %v", content, live[c])
		}
	}
	if n.bad > 0 {
		t.Errorf("%d were seen before they were told", n.bad)
	}
	if err := b.m.Write(context.Background(), pathmap.Op{Path: "/p"}); err != nil {
		t.Fatal(err)
	}
	live = map[cid.Cid]bool{}
	b.m.View().CIDs(func(c cid.Cid) bool { live[c] = true; return true })
	if len(live) != 1 || !live[entryOf(t, "member's").CID] {
		t.Errorf("named after the delete: %v", live)
	}
}
