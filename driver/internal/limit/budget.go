package limit

import (
	"fmt"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/sirupsen/logrus"
)

// Budget is all that the peers of a registry may take of it. It is safe for concurrent use.
type Budget struct {
	Machine Machine // that it was made for

	refused *refused
	bounds  map[What]*Bound
	rates   map[What]*Rate
}

// NewBudget makes the bounds that suit a machine.
func NewBudget(m Machine, log *logrus.Entry) *Budget {
	b := &Budget{Machine: m, refused: newRefused(log), bounds: map[What]*Bound{}, rates: map[What]*Rate{}}
	for what, bounds := range table(m) {
		b.bounds[what] = newBound(what, bounds, b.refused)
	}
	for what, r := range rates(m) {
		b.rates[what] = newRate(what, r, b.refused)
	}
	return b
}

// Bound is that of a kind of thing in the table; any other is a mistake in the program, and panics.
func (b *Budget) Bound(what What) *Bound {
	bound := b.bounds[what]
	if bound == nil {
		panic(fmt.Sprintf("limit: no bound of %q in the table", what))
	}
	return bound
}

// Rate is that of a kind of thing in the table; any other is a mistake in the program, and panics.
func (b *Budget) Rate(what What) *Rate {
	r := b.rates[what]
	if r == nil {
		panic(fmt.Sprintf("limit: no rate of %q in the table", what))
	}
	return r
}

// Refuse counts something that its room has refused by a rule of its own, and logs it once.
func (b *Budget) Refuse(what What, from Source) { b.refused.note(what, from) }

// Count is Refuse for who logs it.
func (b *Budget) Count(what What, from Source) { b.refused.count(what, from) }

// RefusedTo is how often a peer was refused what since the start. It is remembered of those 1,024
// peers of each rank that were refused anything last; nil: of this one nothing is.
func (b *Budget) RefusedTo(id peer.ID) map[What]int64 { return b.refused.to(id) }

// Refused are the refusals since the start, by what and rank.
func (b *Budget) Refused() []Refusals { return b.refused.list() }
