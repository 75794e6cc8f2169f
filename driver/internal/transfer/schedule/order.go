package schedule

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/rendezvous"
)

// maxGroup is how many leaves in a row one registry is first in line for.
const maxGroup = 16

// Order is the order in which registries that fetch a blob at the same time fetch each leaf
// from a member that has the whole blob; those later in line get it from those before them.
// All registries that know of each other agree on it without a message. It is for one
// goroutine at a time.
type Order struct {
	self   peer.ID
	leaves int
	line   *rendezvous.Order[peer.ID] // for each group
	who    uint64                     // the others of line
}

// NewOrder makes the order for one registry and a blob of that many leaves.
func NewOrder(self peer.ID, leaves int) *Order {
	return NewOrderBy(self, leaves, rendezvous.Score[peer.ID])
}

// NewOrderBy is NewOrder with scores that are kept elsewhere.
func NewOrderBy(self peer.ID, leaves int, score func(id peer.ID, group int) uint64) *Order {
	o := &Order{self: self, leaves: leaves}
	o.line = rendezvous.NewOrderBy(self, (leaves+o.group()-1)/o.group(), score)
	return o
}

// group is how many leaves in a row have the same order: few in a small blob, so that there
// is a group for each registry.
func (o *Order) group() int { return min(max(o.leaves/64, 1), maxGroup) }

// rank is how many of the others come before us in the line for a leaf.
func (o *Order) rank(leaf int) int { return o.line.Rank(leaf / o.group()) }

// among sets the other registries. When who, which stands for them, is as it was, they are
// not looked at.
func (o *Order) among(who uint64, others func() []peer.ID) {
	if who != o.who {
		o.who = who
		o.line.Among(others())
	}
}

// start is the leaf at which a registry begins when no reader needs one.
func (o *Order) start() int {
	sum := sha256.Sum256([]byte(o.self))
	return int(binary.BigEndian.Uint32(sum[:])) % o.leaves
}
