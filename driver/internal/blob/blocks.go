package blob

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-datastore/query"
	"github.com/multiformats/go-multihash"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
)

// Block returns the bytes of any block that is here: a leaf of a whole blob, an inner
// block, even of a blob on its way, an inline CID, or a block that was put into the
// blockstore. Bytes that do not match c are never returned. ErrNotFound when it is not
// here.
func (s *Store) Block(ctx context.Context, c cid.Cid) ([]byte, error) {
	data, err := s.block(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("block %s: %w", c, err)
	}
	return data, nil
}

func (s *Store) block(ctx context.Context, c cid.Cid) ([]byte, error) {
	if !c.Defined() {
		return nil, ErrNotFound
	}
	if data, ok := dag.InlineBytes(c); ok {
		return data, nil
	}
	for _, find := range []func(context.Context, cid.Cid) ([]byte, error){s.leaf, s.innerBlock, s.extraBlock} {
		data, err := find(ctx, c)
		if !errors.Is(err, ErrNotFound) {
			return data, err
		}
	}
	return nil, ErrNotFound
}

// leaf reads a leaf out of any blob that has it.
func (s *Store) leaf(ctx context.Context, c cid.Cid) ([]byte, error) {
	for at, err := range s.index.places(ctx, c.Hash()) {
		if err != nil {
			return nil, err
		}
		data, err := s.readLeaf(at)
		if errors.Is(err, ErrNotFound) {
			continue // its blob is being deleted, or is not in its place yet
		}
		if err == nil && dag.Matches(c, data) {
			return data, nil
		}
		s.suspect(ctx, at)
	}
	return nil, ErrNotFound
}

func (s *Store) readLeaf(at place) ([]byte, error) {
	f, err := s.Open(at.root)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	length := leafLength(info, at.leaf)
	if length < 0 {
		return nil, fmt.Errorf("leaf %d is beyond the end", at.leaf)
	}
	data := make([]byte, length)
	return data, readFull(f, data, at.leaf*dag.LeafSize)
}

// leafLength is the length of a leaf of that file; negative beyond its end.
func leafLength(info fs.FileInfo, leaf int64) int64 {
	return min(dag.LeafSize, info.Size()-leaf*dag.LeafSize)
}

// suspect sets aside a blob that has another leaf than the index says.
func (s *Store) suspect(ctx context.Context, at place) {
	if err := s.CheckLeaf(ctx, at.root, int(at.leaf)); err != nil && !errors.Is(err, ErrRotten) {
		s.log.WithError(err).WithField("cid", at.root).Debug("a leaf cannot be served")
	}
}

// InnerBlock gives an inner block of a blob that is here or on its way: at most 128 KiB.
// ErrNotFound for any other block.
func (s *Store) InnerBlock(ctx context.Context, c cid.Cid) ([]byte, error) {
	if !c.Defined() {
		return nil, fmt.Errorf("inner block: %w", ErrNotFound)
	}
	data, err := s.innerBlock(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("inner block %s: %w", c, err)
	}
	return data, nil
}

func (s *Store) innerBlock(ctx context.Context, c cid.Cid) ([]byte, error) {
	return verified(c)(s.index.inner(ctx, c.Hash()))
}

func (s *Store) extraBlock(ctx context.Context, c cid.Cid) ([]byte, error) {
	return verified(c)(s.index.extra(ctx, c.Hash()))
}

// verified lets only the bytes of c through.
func verified(c cid.Cid) func([]byte, error) ([]byte, error) {
	return func(data []byte, err error) ([]byte, error) {
		if err == nil && !dag.Matches(c, data) {
			return nil, ErrNotFound
		}
		return data, err
	}
}

// blockSize is the size of a block that is here, without reading it.
func (s *Store) blockSize(ctx context.Context, c cid.Cid) (int, error) {
	if !c.Defined() {
		return 0, ErrNotFound
	}
	if data, ok := dag.InlineBytes(c); ok {
		return len(data), nil
	}
	if n, err := s.leafSize(ctx, c.Hash()); !errors.Is(err, ErrNotFound) {
		return n, err
	}
	data, err := s.innerBlock(ctx, c)
	if errors.Is(err, ErrNotFound) {
		data, err = s.extraBlock(ctx, c)
	}
	return len(data), err
}

// HasLeaf reports whether a whole blob that is here has that leaf. It reads no leaf, and
// less than the blockstore does to find any block.
func (s *Store) HasLeaf(ctx context.Context, c cid.Cid) (bool, error) {
	q := query.Query{Prefix: hashPrefix(leafPrefix, c.Hash()), KeysOnly: true}
	for e, err := range s.index.entries(ctx, q) {
		if err != nil {
			return false, err
		}
		if root, err := keyRoot(e.Key); err == nil && s.Has(root) {
			return true, nil
		}
	}
	return false, nil
}

func (s *Store) leafSize(ctx context.Context, mh multihash.Multihash) (int, error) {
	for at, err := range s.index.places(ctx, mh) {
		if err != nil {
			return 0, err
		}
		size, err := s.Size(at.root)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return 0, err
		}
		if n := min(dag.LeafSize, size-at.leaf*dag.LeafSize); n >= 0 {
			return int(n), nil
		}
	}
	return 0, ErrNotFound
}
