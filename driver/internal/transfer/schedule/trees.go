package schedule

import (
	"maps"
	"slices"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
)

const (
	// fanout is to how many registries a member that had the blob before sends a leaf; each
	// of these sends it to as many others.
	fanout = 2
	// MaxRelays is how many relays a holder names, beside those above the asking registry,
	// and how many are asked.
	MaxRelays = 8
)

// Trees decides which registry passes a leaf on to which, when many ask for it at the same
// time: they form a tree, in the order in which they asked. So what the member that they
// asked has to send does not grow with their number. It is for one goroutine at a time.
type Trees struct {
	lasts time.Duration // a tree
	trees map[place]*tree
	swept time.Time
}

// place is a leaf of a blob.
type place struct {
	root cid.Cid
	leaf int
}

type tree struct {
	born time.Time
	ids  []peer.ID // the parent of i is i/fanout-1; the first fanout have none
}

// NewTrees makes trees for those that ask for a leaf within that time of the first.
func NewTrees(lasts time.Duration) *Trees {
	return &Trees{lasts: lasts, trees: map[place]*tree{}}
}

// Enter gives id its place in the trees of leaves of a blob. When id would rather be
// relayed, and others came before it, it gets a place for the first leaf only, and the
// members that can give it that leaf.
func (r *Trees) Enter(now time.Time, root cid.Cid, first, last int, id peer.ID, rather bool) (above []peer.ID) {
	if now.Sub(r.swept) > r.lasts/10 {
		r.swept = now
		maps.DeleteFunc(r.trees, func(_ place, t *tree) bool { return now.Sub(t.born) > r.lasts })
	}
	for leaf := first; leaf <= last; leaf++ {
		above = r.tree(now, place{root, leaf}).enter(id)
		if rather && leaf == first && len(above) > 0 {
			return above
		}
	}
	return nil
}

// tree returns the tree of a leaf, a new one when the last is too old.
func (r *Trees) tree(now time.Time, at place) *tree {
	t := r.trees[at]
	if t == nil || now.Sub(t.born) > r.lasts {
		t = &tree{born: now}
		r.trees[at] = t
	}
	return t
}

// enter returns the members above id, its parent first, and others at the same height.
func (t *tree) enter(id peer.ID) (above []peer.ID) {
	i := slices.Index(t.ids, id)
	if i < 0 {
		i, t.ids = len(t.ids), append(t.ids, id)
	}
	if i < fanout {
		return nil
	}
	for up := i; up >= fanout; {
		up = up/fanout - 1
		above = append(above, t.ids[up])
	}
	for _, other := range t.ids[:max(i/fanout, fanout)] {
		if len(above) < MaxRelays && !slices.Contains(above, other) {
			above = append(above, other)
		}
	}
	return above
}
