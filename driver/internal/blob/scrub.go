package blob

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"

	"github.com/ipfs/go-cid"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
)

// After yields the blobs that are recorded as whole, whether their files are there or not: those
// that come after c, in an order that never changes; cid.Undef: all. It ends with the first
// error. Blobs that come meanwhile may be missed.
func (s *Store) After(ctx context.Context, c cid.Cid) iter.Seq2[dag.Ref, error] {
	return s.index.rootsAfter(ctx, c)
}

// Inspection looks at one blob leaf by leaf, over any length of time: it keeps no file open. It
// is for one goroutine.
type Inspection struct {
	store  *Store
	layout *dag.Layout
}

// Inspect begins to look at a blob, as Check does at once. There is no inspection when something
// is wrong with the whole of the blob, which is dealt with as Check does, or when the blob was
// set aside already. An error does not mean damage.
func (s *Store) Inspect(ctx context.Context, ref dag.Ref) (*Inspection, Fault, error) {
	if s.rot.has(ref.CID) {
		return nil, Sound, nil
	}
	f, l, fault, err := s.openToCheck(ctx, ref, func(int64) {})
	if err != nil {
		return nil, fault, fmt.Errorf("inspect blob %s: %w", ref.CID, err)
	}
	if f == nil {
		return nil, fault, nil
	}
	return &Inspection{s, l}, Sound, f.Close()
}

// Leaves is the number of leaves of the blob.
func (x *Inspection) Leaves() int { return x.layout.Leaves() }

// Length is the number of bytes of leaf i.
func (x *Inspection) Length(i int) int64 {
	_, length := x.layout.Span(i)
	return length
}

// Leaf hashes leaf i of the blob's present file. It is read from the disk even where memory has
// a copy of it, and leaves none there. A damaged blob is set aside.
func (x *Inspection) Leaf(ctx context.Context, i int) (Fault, error) {
	fault, err := x.leaf(ctx, i)
	if err != nil {
		err = fmt.Errorf("inspect blob %s: %w", x.layout.Root, err)
	}
	return fault, err
}

func (x *Inspection) leaf(ctx context.Context, i int) (Fault, error) {
	s, ref := x.store, dag.Ref{CID: x.layout.Root, Size: x.layout.Size}
	f, err := openQuietly(s.path(ref.CID))
	if errors.Is(err, fs.ErrNotExist) {
		return s.checkAbsent(ctx, ref)
	}
	if err != nil {
		return Sound, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return Sound, err
	}
	offset, length := x.layout.Span(i)
	uncache(f, offset, length)
	defer uncache(f, offset, length)
	err = s.examine(ctx, f, x.layout, i)
	if !errors.Is(err, ErrRotten) {
		return Sound, err
	}
	s.condemn(ref, stampOf(info), err)
	return Damaged, nil
}

// Miss makes a blob whose file and record are lost count as damaged, until it is whole again or
// deleted: it is one of Rotten. A blob that is here, or came just now, stays as it is.
func (s *Store) Miss(ctx context.Context, ref dag.Ref) error {
	unlock := s.Lock(ref.CID)
	defer unlock()
	if whole, err := s.whole(ref); whole || err != nil {
		return err
	}
	s.rot.add(ref)
	if err := s.index.addRotten(ctx, ref); err != nil {
		return fmt.Errorf("note that blob %s is lost: %w", ref.CID, err)
	}
	unlock()
	s.rot.tell(ref)
	return nil
}
