package blob

import (
	"context"
	"os"

	"github.com/ipfs/go-cid"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/bitset"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
)

// Arrived is how many leaves of a blob that is not whole are here, and how many it has; zeros
// when nothing is known of it. Leaves that an earlier run left count, and are not verified; of a
// damaged blob only those that are known to be right count.
func (s *Store) Arrived(c cid.Cid) (here, of int) {
	if p, open := s.OpenPartial(c); open {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.have.Count() + p.claimed.Count(), p.layout.Leaves()
	}
	if s.rot.has(c) {
		m, _ := s.Remains(c)
		return bitset.Set(m.Right).Count(), dag.LeavesOf(m.Size)
	}
	value, err := s.index.store.Get(context.Background(), partialKey(c))
	if err != nil {
		return 0, 0
	}
	size, err := readNumber(value)
	if err != nil {
		return 0, 0
	}
	of = dag.LeavesOf(size)
	marks, err := os.ReadFile(s.marksPath(c))
	if err != nil || len(marks) != len(bitset.New(of)) {
		return 0, of
	}
	return min(bitset.Set(marks).Count(), of), of
}
