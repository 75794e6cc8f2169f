package blob

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"

	blocks "github.com/ipfs/go-block-format"
	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
)

// hashed is a file of which every leaf was hashed.
type hashed struct {
	*dag.Layout
	inner  []blocks.Block
	digest digest.Digest // of the whole, when one was to be checked
	now    bool          // by this run of the store
	synced bool          // its bytes are safe on disk
}

func (h hashed) ref() dag.Ref { return dag.Ref{CID: h.Root, Size: h.Size} }

// syncLarge makes the bytes of a file of several leaves safe on disk, which takes long, so it
// comes before the blob is locked and the file gets its name.
func (h *hashed) syncLarge(file string) error {
	if h.synced || h.Leaves() == 1 {
		return nil
	}
	h.synced = true
	return syncFile(file)
}

// Seen is the sha2-256 of the first Size bytes of an upload, computed outside this package as
// they arrived; a nil Sum means that there is none.
type Seen struct {
	Sum  hash.Hash
	Size int64

	read func(bytes int64) // is called as bytes are read to be hashed; nil: nobody wants to know
}

// hashUpload is the first step for an upload: its leaves were hashed as they arrived, or the
// file is read once and hashed with f or else the store's function. The result has the digest
// to compare with want.
func (s *Store) hashUpload(ctx context.Context, file string, want digest.Digest, seen Seen, f dag.Function) (hashed, error) {
	h, err := s.recall(file, want, seen, f)
	if errors.Is(err, errUnknown) {
		return s.hashFile(ctx, file, want, cmp.Or(f, s.Function()), seen.read)
	}
	return h, err
}

// recall takes the sums from the note on an upload; errUnknown when the note and what was
// seen are not enough, or do not describe the file as it is now.
func (s *Store) recall(file string, want digest.Digest, seen Seen, f dag.Function) (h hashed, err error) {
	info, err := os.Lstat(file)
	if err != nil {
		return h, err
	}
	k, err := s.readKnown(file)
	if err != nil || !info.Mode().IsRegular() || !k.describes(info) || f != 0 && f != k.function() {
		return h, errUnknown
	}
	whole, err := wholeHash(want, k.Size, k.function())
	if err != nil {
		return h, err
	}
	if whole != nil {
		if seen.Sum == nil || seen.Size != k.Size || k.Reread || want.Algorithm() != digest.SHA256 {
			return h, errUnknown
		}
		whole = seen.Sum
	}
	h.now, h.synced, h.digest = k.Run == s.run, !k.unsynced, digestOf(want, whole, k.Sums)
	h.Layout, h.inner, err = dag.Profile().Build(k.function(), k.Sums, k.Size)
	return h, err
}

// counted tells how much is read.
type counted struct {
	io.ReaderAt
	read func(bytes int64)
}

// ReadAt implements io.ReaderAt.
func (c counted) ReadAt(b []byte, offset int64) (int, error) {
	n, err := c.ReaderAt.ReadAt(b, offset)
	if c.read != nil {
		c.read(int64(n))
	}
	return n, err
}

// hashFile is the first step for any other staged file: it is read once, and synced meanwhile,
// unless it is small: then it is synced with its name. The result has the digest to compare with
// want.
func (s *Store) hashFile(ctx context.Context, file string, want digest.Digest, function dag.Function, read func(int64)) (h hashed, err error) {
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		return h, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return h, err
	}
	if !info.Mode().IsRegular() {
		return h, fmt.Errorf("not a plain file: %s", info.Mode())
	}
	size := info.Size()
	if err := dag.Profile().Check(size); err != nil {
		return h, err
	}
	whole, err := wholeHash(want, size, function)
	if err != nil {
		return h, err
	}
	var sums []byte
	g, hashing := errgroup.WithContext(ctx)
	if h.synced = size > dag.LeafSize; h.synced {
		g.Go(f.Sync)
	}
	g.Go(func() (err error) {
		sums, err = s.hash.file(hashing, counted{f, read}, size, function, whole)
		return err
	})
	if err := g.Wait(); err != nil {
		return h, err
	}
	h.now, h.digest = true, digestOf(want, whole, sums)
	h.Layout, h.inner, err = dag.Profile().Build(function, sums, size)
	return h, err
}
