package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
)

// Reader reads a whole blob from offset, in bytes, to its end; the caller closes it. The blob is
// in use until then. It is
// a *File when this process has already verified every leaf, because it wrote or read
// the file, and the file is still the same. Otherwise each leaf is hashed before a byte of
// it is read, several ahead in parallel, and the first one before Reader returns.
//
// The error is ErrNotFound when the blob is not here, or when its file or its record has
// another size. It is ErrRotten, here or from a read, when a leaf is damaged: then the blob
// has been set aside. ctx bounds reading.
func (s *Store) Reader(ctx context.Context, ref dag.Ref, offset int64) (io.ReadCloser, error) {
	f, info, err := s.open(ctx, ref)
	if err != nil {
		return nil, fmt.Errorf("read blob %s: %w", ref.CID, err)
	}
	if s.proofs.whole(ref.CID, stampOf(info)) {
		if _, err := f.Seek(offset, io.SeekStart); err != nil {
			return nil, fmt.Errorf("read blob: %w", errors.Join(err, f.Close()))
		}
		return f, nil
	}
	layout, err := s.layout(ctx, ref)
	if err != nil {
		return nil, fmt.Errorf("read blob %s: %w", ref.CID, errors.Join(err, f.Close()))
	}
	r := &checked{
		store: s, ref: ref, file: f, layout: layout, offset: offset,
		proof: s.proofs.take(ref.CID, stampOf(info), layout.Leaves()),
	}
	r.ctx, r.cancel = context.WithCancel(ctx)
	if offset < ref.Size {
		if err := r.verify(int(offset / dag.LeafSize)); err != nil {
			return nil, errors.Join(err, r.Close())
		}
	}
	return r, nil
}

// open opens the file of a blob that is here with all its bytes and its record.
func (s *Store) open(ctx context.Context, ref dag.Ref) (*File, os.FileInfo, error) {
	f, err := s.Open(ref.CID)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && info.Size() != ref.Size {
		err = fmt.Errorf("%d bytes instead of %d: %w", info.Size(), ref.Size, ErrNotFound)
	}
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return f, info, nil
}

// layout returns the layout of a blob that is here; ErrNotFound when inner blocks are lost.
func (s *Store) layout(ctx context.Context, ref dag.Ref) (*dag.Layout, error) {
	l, _, err := dag.ReadLayout(ctx, ref.CID, ref.Size, s.InnerBlock)
	return l, err
}

// checked reads a file whose leaves have not been verified yet. It is for one goroutine.
type checked struct {
	store  *Store
	ctx    context.Context
	cancel context.CancelFunc
	ref    dag.Ref
	file   *File
	layout *dag.Layout
	proof  *proof
	offset int64
	ahead  sync.WaitGroup
	once   sync.Once
	closed error
}

// Read implements io.Reader.
func (r *checked) Read(b []byte) (int, error) {
	if r.offset >= r.ref.Size {
		return 0, io.EOF
	}
	leaf := int(r.offset / dag.LeafSize)
	r.hashAhead(leaf)
	if err := r.verify(leaf); err != nil {
		return 0, err
	}
	start, length := r.layout.Span(leaf)
	b = b[:min(int64(len(b)), start+length-r.offset)]
	if err := readFull(r.file, b, r.offset); err != nil {
		return 0, fmt.Errorf("read blob %s at %d: %w", r.ref.CID, r.offset, err)
	}
	r.offset += int64(len(b))
	return len(b), nil
}

// hashAhead begins to hash the leaves that come after the one being read.
func (r *checked) hashAhead(leaf int) {
	for i := leaf + 1; i <= min(leaf+2*r.store.hash.workers, r.layout.Leaves()-1); i++ {
		if _, mine := r.proof.claim(i); mine {
			r.ahead.Go(func() { _ = r.hash(i) }) // a reader of that leaf will find out
		}
	}
}

// verify returns when leaf i is known to be right.
func (r *checked) verify(i int) error {
	for {
		done, mine := r.proof.claim(i)
		switch {
		case mine:
			return r.hash(i)
		case done == nil:
			return nil
		}
		select {
		case <-done:
		case <-r.ctx.Done():
			return r.ctx.Err()
		}
	}
}

// hash verifies a leaf that was claimed.
func (r *checked) hash(i int) error {
	err := r.store.examine(r.ctx, r.file.File, r.layout, i)
	if errors.Is(err, ErrRotten) {
		r.store.condemn(r.ref, r.proof.stamp, err)
	}
	r.proof.settle(i, err == nil)
	if err != nil {
		return fmt.Errorf("read blob %s: %w", r.ref.CID, err)
	}
	return nil
}

// Close closes the file once none of it is being hashed.
func (r *checked) Close() error {
	r.once.Do(func() {
		r.cancel()
		r.ahead.Wait()
		r.closed = r.file.Close()
	})
	return r.closed
}

// examine hashes leaf i of a file: ErrRotten when its bytes are not that leaf's, or cannot
// be read from the disk. A leaf that looks wrong is read once more, because memory errs as
// well.
func (s *Store) examine(ctx context.Context, f *os.File, l *dag.Layout, i int) error {
	for range 2 {
		good, err := s.hash.verify(ctx, f, l, i)
		switch {
		case good:
			return nil
		case err == nil, errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, unix.EIO):
			continue
		}
		return err
	}
	return fmt.Errorf("leaf %d of %d: %w", i, l.Leaves(), ErrRotten)
}
