package blob

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/ipfs/go-cid"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/bitset"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
)

// Remains is what is known of a blob that was set aside.
type Remains struct {
	Size int64
	// Right are the leaves that this process has verified since: leaf i is bit i%8 of byte
	// i/8, the lowest first. It is nil while none is known to be right.
	Right []byte
}

// Has reports whether leaf i is right.
func (r Remains) Has(i int) bool { return bitset.Set(r.Right).Has(i) }

// Remains returns what is right of a blob that was set aside, so that it can be given to
// others; false when there is nothing. Nothing is hashed by this call.
func (s *Store) Remains(c cid.Cid) (Remains, bool) {
	s.rot.mu.Lock()
	defer s.rot.mu.Unlock()
	m, ok := s.rot.of[c]
	m.Right = slices.Clone(m.Right)
	return m, ok && m.Right != nil
}

// OpenRemains opens the file that Remains describes, which has other bytes in leaves that
// are not right; the caller closes it. The error is ErrNotFound when it no longer exists.
func (s *Store) OpenRemains(c cid.Cid) (*os.File, error) {
	f, err := os.Open(s.partialPath(c))
	if errors.Is(err, os.ErrNotExist) {
		err = ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("open what is right of %s: %w", c, err)
	}
	return f, nil
}

// checkRemains is CheckLeaf for a blob that was set aside.
func (s *Store) checkRemains(ctx context.Context, c cid.Cid, i int) error {
	m, ok := s.Remains(c)
	if !ok || !m.Has(i) {
		return ErrNotFound
	}
	f, err := s.OpenRemains(c)
	if err != nil {
		return err
	}
	defer f.Close()
	l, err := s.layout(ctx, dag.Ref{CID: c, Size: m.Size})
	if err != nil {
		return err
	}
	if err = s.examine(ctx, f, l, i); errors.Is(err, ErrRotten) {
		s.rot.wrong(c, i)
	}
	return err
}

// right notes which leaves of a blob that was set aside were verified: those in have, and
// those that were verified before and are in undecided.
func (r *rot) right(c cid.Cid, have, undecided bitset.Set) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m, ok := r.of[c]
	if !ok {
		return
	}
	right, some := bitset.New(dag.Profile().Leaves(m.Size)), false
	for i := range right {
		right[i] = have[i]
		if m.Right != nil {
			right[i] |= m.Right[i] & undecided[i]
		}
		some = some || right[i] != 0
	}
	if m.Right = nil; some {
		m.Right = right
	}
	r.of[c] = m
}

// wrong takes back that a leaf is right.
func (r *rot) wrong(c cid.Cid, i int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m := r.of[c]; m.Has(i) {
		bitset.Set(m.Right).Drop(i)
	}
}
