// Package rendezvous puts members into an order of its own at each of a number of places. All
// members that know the same others agree on these orders without exchanging a message: each
// is that of a hash of member and place, the greatest first (highest random weight: D. G.
// Thaler and C. V. Ravishankar, "Using Name-Based Mappings to Increase Hit Rates", IEEE/ACM
// Transactions on Networking 6 (1), 1998). Each member comes first at as many places as any
// other, and one that comes or goes changes nothing in the order of the others.
//
//	o := rendezvous.NewOrder(self, 64)
//	o.Among(others)
//	if o.Rank(7) == 0 { … } // this member is the first at place 7
//
// Members of different weights draw lots for a key instead (Draw), and come first at a share of
// the keys that is their share of the weights.
//
// Limits: members that know different others disagree about where those few stand; nothing
// keeps a member from choosing a name that comes first at a place. Memory grows with places
// and members, and work with their product. The hash must be the same in all releases.
package rendezvous

import (
	"crypto/sha256"
	"encoding/binary"
)

// Order is where one member stands among others, at each place. It is for one goroutine at a
// time.
type Order[M ~string] struct {
	self   M
	own    []uint64 // score at each place
	ranks  []int    // at each place
	others map[M]struct{}
	score  func(m M, place int) uint64
}

// NewOrder makes the order for one member, which is alone for now. Places count from 0.
func NewOrder[M ~string](self M, places int) *Order[M] { return NewOrderBy(self, places, Score) }

// NewOrderBy is NewOrder with scores that are kept elsewhere, for example for many orders of
// the same members. They must be what Score is for others to agree.
func NewOrderBy[M ~string](self M, places int, score func(m M, place int) uint64) *Order[M] {
	o := &Order[M]{
		self: self, own: make([]uint64, places), ranks: make([]int, places), others: map[M]struct{}{}, score: score,
	}
	for place := range o.own {
		o.own[place] = score(self, place)
	}
	return o
}

// Rank is how many of the others come before this member at a place.
func (o *Order[M]) Rank(place int) int { return o.ranks[place] }

// Among sets the other members, each named once, in any order. The work grows with the number
// of those that have come or gone.
func (o *Order[M]) Among(others []M) {
	if o.knows(others) {
		return
	}
	now := make(map[M]struct{}, len(others))
	for _, m := range others {
		now[m] = struct{}{}
		if _, known := o.others[m]; !known {
			o.count(m, 1)
		}
	}
	for m := range o.others {
		if _, still := now[m]; !still {
			o.count(m, -1)
		}
	}
	o.others = now
}

// knows reports whether these are the others already.
func (o *Order[M]) knows(others []M) bool {
	if len(others) != len(o.others) {
		return false
	}
	for _, m := range others {
		if _, known := o.others[m]; !known {
			return false
		}
	}
	return true
}

// count puts another member into the order, or, with -1, takes it out.
func (o *Order[M]) count(m M, n int) {
	for place, own := range o.own {
		if s := o.score(m, place); s > own || s == own && m > o.self {
			o.ranks[place] += n
		}
	}
}

// Score is the weight of a member at a place: the greatest comes first.
func Score[M ~string](m M, place int) uint64 {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64([]byte(m), uint64(place)))
	return binary.BigEndian.Uint64(sum[:])
}
