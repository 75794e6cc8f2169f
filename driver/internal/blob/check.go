package blob

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync/atomic"

	"github.com/ipfs/go-cid"
	"golang.org/x/sync/errgroup"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
)

// Fault is the kind of damage of a blob.
type Fault string

// Faults that Check finds.
const (
	Sound      Fault = ""
	Absent     Fault = "not here"
	Damaged    Fault = "damaged"
	WrongSize  Fault = "wrong size"
	LostFile   Fault = "file lost"
	LostRecord Fault = "record lost"
	Impossible Fault = "its entry gives it a size that no blob has"
)

// CheckLeaf hashes leaf i of a blob, even if it was verified before. The error is ErrRotten
// when the leaf is damaged. Then the blob has been set aside, or, if it already was, the leaf
// is no longer one of its Remains. The error is ErrNotFound when the blob is not here, or has
// no such leaf.
func (s *Store) CheckLeaf(ctx context.Context, c cid.Cid, i int) error {
	f, err := s.openWhole(c)
	if errors.Is(err, ErrNotFound) {
		err = s.checkRemains(ctx, c, i)
	}
	if f == nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("check blob: %w", err)
	}
	ref := dag.Ref{CID: c, Size: info.Size()}
	l, err := s.layout(ctx, ref)
	if err != nil {
		return fmt.Errorf("check blob %s: %w", c, err)
	}
	if i < 0 || i >= l.Leaves() {
		return fmt.Errorf("check blob %s: leaf %d of %d: %w", c, i, l.Leaves(), ErrNotFound)
	}
	if err = s.examine(ctx, f, l, i); errors.Is(err, ErrRotten) {
		s.condemn(ref, stampOf(info), err)
	}
	if err != nil {
		return fmt.Errorf("check blob %s: %w", c, err)
	}
	return nil
}

// Check reads all of a blob, as it is on disk now, and returns what is wrong with it, and how
// many of its leaves are damaged, of those that were hashed. A damaged blob is set aside; an
// undamaged one counts as verified, and a lost record is written again. progress is called
// with the number of bytes read, from several goroutines at once. An error does not mean
// damage, but for example that ctx ended.
func (s *Store) Check(ctx context.Context, ref dag.Ref, progress func(bytes int64)) (fault Fault, bad int, err error) {
	fault, bad, err = s.check(ctx, ref, progress)
	if err != nil {
		err = fmt.Errorf("check blob %s: %w", ref.CID, err)
	}
	return fault, bad, err
}

func (s *Store) check(ctx context.Context, ref dag.Ref, progress func(int64)) (Fault, int, error) {
	f, l, fault, err := s.openToCheck(ctx, ref, progress)
	if f == nil {
		return fault, 0, err
	}
	defer f.Close()
	return s.checkLeaves(ctx, f, l, progress)
}

// checkedFile is the file of a blob, as it was when it was opened.
type checkedFile struct {
	*os.File
	stamp stamp
}

// openToCheck opens the file of a blob to look at its leaves. There is none when something is
// wrong with the whole of it, which is dealt with and returned, or an error.
func (s *Store) openToCheck(ctx context.Context, ref dag.Ref, progress func(int64)) (*checkedFile, *dag.Layout, Fault, error) {
	if ref.Check() != nil { // what is here may be sound, and is left alone
		return nil, nil, Impossible, nil
	}
	file, err := openQuietly(s.path(ref.CID))
	if err == nil && s.hidden.has(ref.CID) {
		return nil, nil, Absent, file.Close()
	}
	if errors.Is(err, fs.ErrNotExist) {
		fault, err := s.checkAbsent(ctx, ref)
		return nil, nil, fault, err
	}
	if err != nil {
		return nil, nil, Sound, err
	}
	l, of, fault, err := s.checkWhole(ctx, file, ref, progress)
	if l == nil || err != nil {
		return nil, nil, fault, errors.Join(err, file.Close())
	}
	return &checkedFile{file, of}, l, Sound, nil
}

// checkWhole checks what can be known without reading a file's leaves: it returns their layout,
// or the fault for which there is none.
func (s *Store) checkWhole(ctx context.Context, f *os.File, ref dag.Ref, progress func(int64)) (*dag.Layout, stamp, Fault, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, stamp{}, Sound, err
	}
	of := stampOf(info)
	size, recorded, err := s.index.size(ctx, ref.CID)
	if err != nil {
		return nil, of, Sound, err
	}
	if of.size != ref.Size || recorded && size != ref.Size {
		s.condemn(ref, of, fmt.Errorf("%d bytes instead of %d: %w", of.size, ref.Size, ErrRotten))
		return nil, of, WrongSize, nil
	}
	l, err := s.layout(ctx, ref)
	if errors.Is(err, ErrNotFound) || errors.Is(err, dag.ErrBadDAG) || err == nil && !recorded {
		fault, err := s.recordAgain(ctx, ref, of, progress)
		return nil, of, fault, err
	}
	return l, of, Sound, err
}

// checkAbsent looks at a blob without a file. The record of a blob whose file is lost is
// removed, so that the blob can be fetched.
func (s *Store) checkAbsent(ctx context.Context, ref dag.Ref) (Fault, error) {
	if s.rot.has(ref.CID) {
		return Damaged, nil
	}
	defer s.Lock(ref.CID)()
	size, recorded, err := s.index.size(ctx, ref.CID)
	if err != nil || !recorded {
		return Absent, err
	}
	if _, err := os.Stat(s.path(ref.CID)); err == nil {
		return Sound, nil // it came just now
	}
	s.account(-1, -size)
	return LostFile, s.index.unfinish(ctx, ref.CID, size)
}

// recordAgain hashes a file whose record, or layout, is lost.
func (s *Store) recordAgain(ctx context.Context, ref dag.Ref, of stamp, progress func(int64)) (Fault, error) {
	f, ok := rootFunction(ref.CID)
	if !ok {
		return LostRecord, fmt.Errorf("%s is named with a function that this release does not know", ref.CID)
	}
	h, err := s.hashFile(ctx, s.path(ref.CID), "", f, nil)
	if errors.Is(err, fs.ErrNotExist) {
		return s.checkAbsent(ctx, ref) // deleted just now
	}
	if err != nil {
		return LostRecord, err
	}
	progress(h.Size)
	if !h.Root.Equals(ref.CID) {
		s.condemn(ref, of, fmt.Errorf("the file is that of %s: %w", h.Root, ErrRotten))
		return Damaged, nil
	}
	unlock := s.Lock(ref.CID)
	defer unlock()
	if info, err := os.Stat(s.path(ref.CID)); err != nil || stampOf(info) != of {
		unlock() // deleted while it was hashed: a record of it would have no file
		return s.checkAbsent(ctx, ref)
	}
	unpin, err := s.install(ctx, s.path(ref.CID), h)
	unpin()
	return LostRecord, err
}

func (s *Store) checkLeaves(ctx context.Context, f *checkedFile, l *dag.Layout, progress func(int64)) (Fault, int, error) {
	ref := dag.Ref{CID: l.Root, Size: l.Size}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(max(1, s.hash.workers/2)) // clients come first
	var wrong atomic.Int64
	for i := range l.Leaves() {
		g.Go(func() error {
			err := s.examine(ctx, f.File, l, i)
			if errors.Is(err, ErrRotten) {
				wrong.Add(1)
				err = nil
			}
			_, length := l.Span(i)
			progress(length)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return Sound, 0, err
	}
	if bad := int(wrong.Load()); bad > 0 {
		s.condemn(ref, f.stamp, fmt.Errorf("%d of %d leaves: %w", bad, l.Leaves(), ErrRotten))
		return Damaged, bad, nil
	}
	if again, err := f.Stat(); err == nil && stampOf(again) == f.stamp {
		s.proofs.note(ref.CID, f.stamp)
	}
	return Sound, 0, nil
}

// Blobs returns the blobs that are recorded as whole, whether their files are there or not,
// and those that were set aside. It takes some 100 bytes of memory per blob.
func (s *Store) Blobs(ctx context.Context) ([]dag.Ref, error) {
	refs := s.Rotten()
	for ref, err := range s.index.refs(ctx, rootPrefix) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return nil, fmt.Errorf("list blobs: %w", err)
		}
		refs = append(refs, ref)
	}
	return refs, nil
}

// Arriving returns the blobs of which a part has arrived and is kept, whether a Partial is
// open for them or not.
func (s *Store) Arriving(ctx context.Context) (refs []dag.Ref, err error) {
	for ref, err := range s.index.refs(ctx, partialPrefix) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return nil, fmt.Errorf("list arriving blobs: %w", err)
		}
		refs = append(refs, ref)
	}
	return refs, nil
}
