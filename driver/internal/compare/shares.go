package compare

import (
	"bytes"
	"cmp"
	"math"
	"slices"
)

// key is the beginning of a digest.
type key [16]byte

func keyOf(sum []byte) (k key) {
	copy(k[:], sum)
	return k
}

// Item is something that two images may both have, once or several times.
type Item struct {
	Key  [16]byte // of a digest
	Size int64    // bytes
}

// Sum is a number of things, and of their bytes.
type Sum struct {
	Count int
	Bytes int64
}

func (s *Sum) add(bytes int64) { s.Count, s.Bytes = s.Count+1, Add(s.Bytes, bytes) }

// Add adds sizes, which are no less than 0, and may be any that somebody says: a sum that is too
// large for an int64 is the largest.
func Add(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// Shares are what two have in common, and what only one of them has, each thing once.
type Shares struct{ Shared, OnlyA, OnlyB Sum }

// Items compares two lists, which it sorts.
func Items(a, b []Item) (s Shares) {
	a, b = each(a), each(b)
	for len(a) > 0 || len(b) > 0 {
		switch order := first(a, b); {
		case order < 0:
			s.OnlyA.add(a[0].Size)
			a = a[1:]
		case order > 0:
			s.OnlyB.add(b[0].Size)
			b = b[1:]
		default:
			s.Shared.add(a[0].Size)
			a, b = a[1:], b[1:]
		}
	}
	return s
}

// each gives every thing once, in order.
func each(all []Item) []Item {
	slices.SortFunc(all, compareItems)
	return slices.Compact(all)
}

// first says which list has the lesser thing: -1 for a, 1 for b, 0 when both have it.
func first(a, b []Item) int {
	switch {
	case len(a) == 0:
		return 1
	case len(b) == 0:
		return -1
	}
	return compareItems(a[0], b[0])
}

func compareItems(x, y Item) int {
	return cmp.Or(bytes.Compare(x.Key[:], y.Key[:]), cmp.Compare(x.Size, y.Size))
}

// Files compares what layers hold by the bytes of their files.
func Files(a, b []*Layer) Shares {
	return Items(items(a, func(l *Layer) []Item { return l.contents() }), items(b, func(l *Layer) []Item { return l.contents() }))
}

// Plain compares the leaves that layers would have without their compression.
func Plain(a, b []*Layer) Shares {
	return Items(items(a, func(l *Layer) []Item { return l.leaves }), items(b, func(l *Layer) []Item { return l.leaves }))
}

func items(layers []*Layer, of func(*Layer) []Item) (all []Item) {
	for _, l := range layers {
		all = append(all, of(l)...)
	}
	return all
}

// Paths are what two images have at the paths of their files: of several layers the last one that
// has a path counts.
type Paths struct {
	Same               Sum // the same bytes
	ChangedA, ChangedB Sum // other bytes, in each
	OnlyA, OnlyB       Sum // paths that the other lacks
}

// ByPath compares what layers hold at each path.
func ByPath(a, b []*Layer) (p Paths) {
	x, y := atPaths(a), atPaths(b)
	for len(x) > 0 || len(y) > 0 {
		order := 0
		switch {
		case len(x) == 0:
			order = 1
		case len(y) == 0:
			order = -1
		default:
			order = bytes.Compare(x[0].path[:], y[0].path[:])
		}
		switch {
		case order < 0:
			p.OnlyA.add(x[0].size)
			x = x[1:]
			continue
		case order > 0:
			p.OnlyB.add(y[0].size)
			y = y[1:]
			continue
		case x[0].content == y[0].content && x[0].size == y[0].size:
			p.Same.add(x[0].size)
		default:
			p.ChangedA.add(x[0].size)
			p.ChangedB.add(y[0].size)
		}
		x, y = x[1:], y[1:]
	}
	return p
}

// atPaths are the files of layers by path, of each path the last.
func atPaths(layers []*Layer) (all []file) {
	for _, l := range layers {
		all = append(all, l.files...)
	}
	slices.Reverse(all)
	slices.SortStableFunc(all, func(x, y file) int { return bytes.Compare(x.path[:], y.path[:]) })
	return slices.CompactFunc(all, func(x, y file) bool { return x.path == y.path })
}
