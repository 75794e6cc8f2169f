package limit

import "github.com/sirupsen/logrus"

// MaxBuckets is how many sources of one rank a Rate remembers.
const MaxBuckets = maxBuckets

// UpTo is how many there may be of a rank and all lower ones.
func (b Bounds) UpTo(r Rank) int { return b.upTo(r) }

// NewBound is a bound that is not in the table.
func NewBound(bounds Bounds, log *logrus.Entry) *Bound {
	return newBound("things", bounds, newRefused(log))
}

// NewRate is a rate that is not in the table.
func NewRate(rates Rates, log *logrus.Entry) *Rate {
	return newRate("happenings", rates, newRefused(log))
}

// Sources are how many a bound remembers.
func (b *Bound) Sources() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.peers) + len(b.addrs)
}

// Table is how much of each thing there may be on a machine.
var Table = table

// GroupMemory is what a control group may have.
var GroupMemory = groupMemory

// RateTable is how often things may happen on a machine.
var RateTable = rates
