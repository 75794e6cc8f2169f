package evict

import (
	"cmp"
	"container/heap"
	"slices"
	"time"

	"github.com/ipfs/go-cid"
)

// Candidate is a blob that may be asked to go.
type Candidate struct {
	Blob    cid.Cid
	Size    int64 // bytes of the disk
	Used    time.Time
	Remnant bool // a part of a blob, which nobody counts on
}

// Compare is the order in which blobs go: the one that was used least recently first.
func (c Candidate) Compare(o Candidate) int {
	return cmp.Or(c.Used.Compare(o.Used), cmp.Compare(c.Blob.KeyString(), o.Blob.KeyString()))
}

// Oldest picks the first few of many candidates, those that come after one that was the last of an
// earlier pick: so all of them can be gone through in their order with little memory, some 150
// bytes for each that is picked.
type Oldest struct {
	most  int
	after Candidate
	found latest
}

// NewOldest picks the first most candidates after one; after the zero Candidate: of all.
func NewOldest(most int, after Candidate) *Oldest { return &Oldest{most: most, after: after} }

// Offer takes a candidate, in any order.
func (o *Oldest) Offer(c Candidate) {
	switch {
	case o.after.Blob.Defined() && c.Compare(o.after) <= 0:
	case len(o.found) < o.most:
		heap.Push(&o.found, c)
	case c.Compare(o.found[0]) < 0:
		o.found[0] = c
		heap.Fix(&o.found, 0)
	}
}

// Sorted gives what was picked, in its order, and ends the picking.
func (o *Oldest) Sorted() []Candidate {
	all := []Candidate(o.found)
	o.found = nil
	slices.SortFunc(all, Candidate.Compare)
	return all
}

// latest is a heap with the last in the order on top.
type latest []Candidate

func (l latest) Len() int           { return len(l) }
func (l latest) Less(i, j int) bool { return l[i].Compare(l[j]) > 0 }
func (l latest) Swap(i, j int)      { l[i], l[j] = l[j], l[i] }
func (l *latest) Push(c any)        { *l = append(*l, c.(Candidate)) }
func (l *latest) Pop() any {
	last := (*l)[len(*l)-1]
	*l = (*l)[:len(*l)-1]
	return last
}
