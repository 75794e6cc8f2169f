package blob

import (
	"context"
	"errors"
	"fmt"

	"github.com/ipfs/boxo/blockstore"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-datastore/query"
	ipld "github.com/ipfs/go-ipld-format"
)

// blockView is the store as boxo's blockstore.
type blockView struct{ s *Store }

var _ blockstore.Blockstore = blockView{}

// Blockstore is the store as IPFS libraries want it. Leaves of whole blobs come out of
// their files, and every block is verified when it is read. A block that is put and belongs
// to no blob here is kept in the datastore until a blob that has it is whole; DeleteBlock
// deletes only such blocks. Use the blockstore without a cache, because blobs come and go
// without its knowledge.
func (s *Store) Blockstore() blockstore.Blockstore { return blockView{s} }

func (v blockView) Get(ctx context.Context, c cid.Cid) (blocks.Block, error) {
	data, err := v.s.block(ctx, c)
	if err != nil {
		return nil, missing(c, err)
	}
	return blocks.NewBlockWithCid(data, c)
}

func (v blockView) GetSize(ctx context.Context, c cid.Cid) (int, error) {
	n, err := v.s.blockSize(ctx, c)
	if err != nil {
		return -1, missing(c, err)
	}
	return n, nil
}

func (v blockView) Has(ctx context.Context, c cid.Cid) (bool, error) {
	_, err := v.s.blockSize(ctx, c)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

func (v blockView) Put(ctx context.Context, b blocks.Block) error {
	return v.PutMany(ctx, []blocks.Block{b})
}

func (v blockView) PutMany(ctx context.Context, bs []blocks.Block) error {
	var unknown []blocks.Block
	for _, b := range bs {
		here, err := v.Has(ctx, b.Cid())
		if err != nil {
			return fmt.Errorf("put block %s: %w", b.Cid(), err)
		}
		if !here {
			unknown = append(unknown, b)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	v.s.extras.Store(true)
	return v.s.index.apply(ctx, func(yield func(change) bool) {
		for _, b := range unknown {
			// Never nil: an empty block is a value, too.
			value := append(make([]byte, 0, len(b.RawData())), b.RawData()...)
			if !yield(change{extraKey(b.Cid().Hash()), value}) {
				return
			}
		}
	})
}

func (v blockView) DeleteBlock(ctx context.Context, c cid.Cid) error {
	if err := v.s.index.store.Delete(ctx, extraKey(c.Hash())); err != nil {
		return fmt.Errorf("delete block %s: %w", c, err)
	}
	return nil
}

// AllKeysChan lists raw CIDs; a block of several blobs is listed more than once.
func (v blockView) AllKeysChan(ctx context.Context) (<-chan cid.Cid, error) {
	out := make(chan cid.Cid)
	go func() { // ends with the listing or with ctx
		defer close(out)
		for _, prefix := range []string{leafPrefix, innerPrefix, extraPrefix} {
			if !v.list(ctx, prefix, out) {
				return
			}
		}
	}()
	return out, nil
}

func (v blockView) list(ctx context.Context, prefix string, out chan<- cid.Cid) bool {
	for e, err := range v.s.index.entries(ctx, query.Query{Prefix: prefix, KeysOnly: true}) {
		if err != nil {
			v.s.log.WithError(err).Warn("cannot list the blocks of blobs")
			return false
		}
		mh, err := keyHash(prefix, e.Key)
		if err != nil {
			continue // not ours
		}
		select {
		case out <- cid.NewCidV1(cid.Raw, mh):
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// missing turns ErrNotFound into the error that IPFS libraries expect.
func missing(c cid.Cid, err error) error {
	if errors.Is(err, ErrNotFound) {
		return ipld.ErrNotFound{Cid: c}
	}
	return fmt.Errorf("block %s: %w", c, err)
}
