package schedule

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/rendezvous"
)

// maxGroup is the greatest number of leaves in a row for which one registry is first in line.
const maxGroup = 16

// Order is the line, for each leaf, of the registries that fetch a blob at the same time. The first
// in line fetches the leaf from a member that has the whole blob; those behind it get the leaf from
// those before them. All registries that know of each other agree on the order without a message.
// It is for one goroutine at a time.
type Order struct {
	self   peer.ID
	leaves int
	line   *rendezvous.Order[peer.ID] // for each group
	who    uint64                     // stands for the others in line
}

// NewOrder makes the order for one registry and a blob of that many leaves.
func NewOrder(self peer.ID, leaves int) *Order {
	return NewOrderBy(self, leaves, rendezvous.Score[peer.ID])
}

// NewOrderBy is NewOrder with scores that the caller computes, as rendezvous.Score does.
func NewOrderBy(self peer.ID, leaves int, score func(id peer.ID, group int) uint64) *Order {
	o := &Order{self: self, leaves: leaves}
	o.line = rendezvous.NewOrderBy(self, (leaves+o.group()-1)/o.group(), score)
	return o
}

// group returns how many leaves in a row have the same line: few in a small blob, so that there
// are enough groups for all registries.
func (o *Order) group() int { return min(max(o.leaves/64, 1), maxGroup) }

// rank returns how many of the other registries come before us in the line for a leaf.
func (o *Order) rank(leaf int) int { return o.line.Rank(leaf / o.group()) }

// among sets the other registries. It calls others only when who, which stands for them, has
// changed.
func (o *Order) among(who uint64, others func() []peer.ID) {
	if who != o.who {
		o.who = who
		o.line.Among(others())
	}
}

// start returns the leaf at which this registry begins when no reader needs one.
func (o *Order) start() int {
	sum := sha256.Sum256([]byte(o.self))
	return int(binary.BigEndian.Uint32(sum[:])) % o.leaves
}
