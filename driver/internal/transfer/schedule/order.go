package schedule

import (
	"crypto/sha256"
	"encoding/binary"
	"hash/maphash"

	"github.com/libp2p/go-libp2p/core/peer"
)

// maxGroup is how many leaves in a row one registry is first in line for.
const maxGroup = 16

// Order is the order in which registries that fetch a blob at the same time fetch each leaf
// from a member that has the whole blob; those later in line get it from those before them.
// The order is that of a hash of registry and place (rendezvous hashing: Thaler and
// Ravishankar, "A Name-Based Mapping Scheme for Rendezvous", 1996), so all registries that
// know of each other agree on it without a message. It is for one goroutine at a time.
type Order struct {
	self   peer.ID
	leaves int
	scores map[peer.ID][]uint64 // of each group
	ranks  []int                // of each group
	who    uint64               // the others that ranks is for
	seed   maphash.Seed
}

// NewOrder makes the order for one registry and a blob of that many leaves.
func NewOrder(self peer.ID, leaves int) *Order {
	o := &Order{self: self, leaves: leaves, scores: map[peer.ID][]uint64{}, seed: maphash.MakeSeed()}
	o.among(nil)
	return o
}

// group is how many leaves in a row have the same order: few in a small blob, so that there
// is a group for each registry.
func (o *Order) group() int { return min(max(o.leaves/64, 1), maxGroup) }

// rank is how many of the others come before us in the line for a leaf.
func (o *Order) rank(leaf int) int { return o.ranks[leaf/o.group()] }

// among sets the other registries.
func (o *Order) among(others []peer.ID) {
	who := uint64(len(others))
	for _, id := range others {
		who += maphash.String(o.seed, string(id))
	}
	if who == o.who && o.ranks != nil {
		return
	}
	o.who, o.ranks = who, make([]int, len(o.of(o.self)))
	own := o.of(o.self)
	for _, id := range others {
		for group, score := range o.of(id) {
			if score > own[group] {
				o.ranks[group]++
			}
		}
	}
}

func (o *Order) of(id peer.ID) []uint64 {
	if known := o.scores[id]; known != nil {
		return known
	}
	scores := make([]uint64, (o.leaves+o.group()-1)/o.group())
	for i := range scores {
		sum := sha256.Sum256(binary.BigEndian.AppendUint64([]byte(id), uint64(i)))
		scores[i] = binary.BigEndian.Uint64(sum[:])
	}
	o.scores[id] = scores
	return scores
}

// start is the leaf at which a registry begins when no reader needs one.
func (o *Order) start() int {
	sum := sha256.Sum256([]byte(o.self))
	return int(binary.BigEndian.Uint32(sum[:])) % o.leaves
}
