package transfer

import (
	"crypto/sha256"
	"encoding/binary"
	"hash/maphash"

	"github.com/libp2p/go-libp2p/core/peer"
)

// maxGroup is how many leaves in a row one registry is first in line for.
const maxGroup = 16

// line is the order in which registries that fetch a blob at the same time fetch each leaf
// from a member that has the whole blob; those later in line get it from those before them.
// The order is that of a hash of registry and place (rendezvous hashing: Thaler and
// Ravishankar, "A Name-Based Mapping Scheme for Rendezvous", 1996), so all registries that
// know of each other agree on it without a message. It is for one goroutine at a time.
type line struct {
	self   peer.ID
	leaves int
	scores map[peer.ID][]uint64 // of each group
	ranks  []int                // of each group
	who    uint64               // the others that ranks is for
	seed   maphash.Seed
}

func newLine(self peer.ID, leaves int) *line {
	return &line{self: self, leaves: leaves, scores: map[peer.ID][]uint64{}, seed: maphash.MakeSeed()}
}

// group is how many leaves in a row have the same order: few in a small blob, so that there
// is a group for each registry.
func (l *line) group() int { return min(max(l.leaves/64, 1), maxGroup) }

// rank is how many of the others come before us in the line for a leaf.
func (l *line) rank(leaf int) int { return l.ranks[leaf/l.group()] }

// among sets the other registries.
func (l *line) among(others []peer.ID) {
	who := uint64(len(others))
	for _, id := range others {
		who += maphash.String(l.seed, string(id))
	}
	if who == l.who && l.ranks != nil {
		return
	}
	l.who, l.ranks = who, make([]int, len(l.of(l.self)))
	own := l.of(l.self)
	for _, id := range others {
		for group, score := range l.of(id) {
			if score > own[group] {
				l.ranks[group]++
			}
		}
	}
}

func (l *line) of(id peer.ID) []uint64 {
	if known := l.scores[id]; known != nil {
		return known
	}
	scores := make([]uint64, (l.leaves+l.group()-1)/l.group())
	for i := range scores {
		sum := sha256.Sum256(binary.BigEndian.AppendUint64([]byte(id), uint64(i)))
		scores[i] = binary.BigEndian.Uint64(sum[:])
	}
	l.scores[id] = scores
	return scores
}

// start is the leaf at which a registry begins when no reader needs one.
func (l *line) start() int {
	sum := sha256.Sum256([]byte(l.self))
	return int(binary.BigEndian.Uint32(sum[:])) % l.leaves
}
