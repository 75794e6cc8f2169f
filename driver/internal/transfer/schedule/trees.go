package schedule

import (
	"maps"
	"slices"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
)

const (
	// fanout is how many registries get a leaf from a member that had the blob before. Each of
	// these sends the leaf to as many others.
	fanout = 2
	// MaxRelays is how many members a holder names to a registry that asks, unless more than
	// that are above it in the tree. It belongs together with wire.maxRelays, which is how many
	// of them the registry reads; neither package may import the other.
	MaxRelays = 8
)

// Trees decides which registry passes a leaf on to which others, when many registries ask for it at
// the same time. They form a tree, in the order in which they asked, so that the member that they
// asked does not have to send more when there are more of them. It is for one goroutine at a time.
type Trees struct {
	lasts time.Duration // for which a tree is used
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

// NewTrees makes trees for registries that ask for a leaf within that time of the first of them.
func NewTrees(lasts time.Duration) *Trees {
	return &Trees{lasts: lasts, trees: map[place]*tree{}}
}

// Enter gives the registry id its place in the trees of the leaves from first to last. When it
// would rather be relayed, and is not among the first in the tree of the first leaf, Enter returns
// the members that can give it that leaf, and gives it no place for the others.
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

// tree returns the tree of a leaf: a new one when there is none, or when the last is too old.
func (r *Trees) tree(now time.Time, at place) *tree {
	t := r.trees[at]
	if t == nil || now.Sub(t.born) > r.lasts {
		t = &tree{born: now}
		r.trees[at] = t
	}
	return t
}

// enter gives id a place, and returns the members above it, its parent first, and then others that
// are no deeper than its parent. It returns nil for the first members of the tree.
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
