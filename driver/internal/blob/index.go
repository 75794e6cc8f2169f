package blob

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"
	"github.com/multiformats/go-multihash"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
)

const (
	// badger splits larger batches wherever it chooses; these stay well below what it takes
	// in one transaction.
	batchKeys  = 2000
	batchBytes = 1 << 20
)

// index is the part of the datastore that says where blocks lie.
//
// The record of a root and its inner blocks are written before the leaves below them, and
// removed after them. A blob of up to some gigabytes is one batch. Between the batches of a
// larger one, a crash leaves nothing that walk cannot reach.
type index struct {
	store datastore.Batching
}

// change is one write; a nil value deletes.
type change struct {
	key   datastore.Key
	value []byte
}

// apply writes changes in their order.
func (x index) apply(ctx context.Context, changes iter.Seq[change]) error {
	var batch datastore.Batch
	keys, bytes := 0, 0
	for c := range changes {
		if batch == nil {
			b, err := x.store.Batch(ctx)
			if err != nil {
				return fmt.Errorf("index: %w", err)
			}
			batch = b
		}
		if err := write(ctx, batch, c); err != nil {
			return fmt.Errorf("index: %w", err)
		}
		keys, bytes = keys+1, bytes+len(c.key.String())+len(c.value)
		if keys < batchKeys && bytes < batchBytes {
			continue
		}
		if err := batch.Commit(ctx); err != nil {
			return fmt.Errorf("index: %w", err)
		}
		batch, keys, bytes = nil, 0, 0
	}
	if batch == nil {
		return nil
	}
	if err := batch.Commit(ctx); err != nil {
		return fmt.Errorf("index: %w", err)
	}
	return nil
}

func write(ctx context.Context, batch datastore.Batch, c change) error {
	if c.value == nil {
		return batch.Delete(ctx, c.key)
	}
	return batch.Put(ctx, c.key, c.value)
}

// addBlob records a whole blob. With dropExtras its blocks are dropped from those kept
// without a blob.
func (x index) addBlob(ctx context.Context, l *dag.Layout, inner []blocks.Block, dropExtras bool) error {
	return x.apply(ctx, addition(l, inner, dropExtras))
}

func addition(l *dag.Layout, inner []blocks.Block, dropExtras bool) iter.Seq[change] {
	root := l.Root.String()
	return func(yield func(change) bool) {
		ok := yield(change{rootKey(l.Root), number(l.Size)}) && yield(change{key: partialKey(l.Root)})
		ok = ok && yield(change{key: rottenKey(l.Root)})
		for _, b := range inner {
			ok = ok && yield(change{innerKey(b.Cid().Hash(), root), b.RawData()})
			ok = ok && (!dropExtras || yield(change{key: extraKey(b.Cid().Hash())}))
		}
		for i := 0; ok && i < l.Leaves(); i++ {
			c, _, _ := l.Leaf(i)
			ok = yield(change{leafKey(c.Hash(), root), number(int64(i))})
			ok = ok && (!dropExtras || yield(change{key: extraKey(c.Hash())}))
		}
	}
}

// addPartial records a blob on its way, and its inner blocks.
func (x index) addPartial(ctx context.Context, l *dag.Layout, inner []blocks.Block) error {
	root := l.Root.String()
	return x.apply(ctx, func(yield func(change) bool) {
		ok := yield(change{partialKey(l.Root), number(l.Size)})
		for _, b := range inner {
			ok = ok && yield(change{innerKey(b.Cid().Hash(), root), b.RawData()})
		}
	})
}

// drop deletes keys.
func (x index) drop(ctx context.Context, keys []datastore.Key) error {
	return x.apply(ctx, func(yield func(change) bool) {
		for _, k := range keys {
			if !yield(change{key: k}) {
				return
			}
		}
	})
}

// remove forgets all that belongs to root, and nothing of other roots.
func (x index) remove(ctx context.Context, root cid.Cid) error {
	var failed error
	err := x.apply(ctx, x.removal(ctx, root, &failed))
	return errors.Join(err, failed)
}

func (x index) removal(ctx context.Context, root cid.Cid, failed *error) iter.Seq[change] {
	return func(yield func(change) bool) {
		ok, err := x.walk(ctx, root, root.String(), yield)
		*failed = err
		_ = ok && err == nil && yield(change{key: partialKey(root)}) &&
			yield(change{key: rottenKey(root)}) && yield(change{key: rootKey(root)})
	}
}

// walk yields the deletion of every key of root at and below c, parents last. A subtree
// that is missing was never written, or is deleted already.
func (x index) walk(ctx context.Context, c cid.Cid, root string, yield func(change) bool) (bool, error) {
	if _, ok := dag.FunctionOfBlock(c, cid.Raw); ok {
		return yield(change{key: leafKey(c.Hash(), root)}), nil
	}
	key := innerKey(c.Hash(), root)
	data, err := x.store.Get(ctx, key)
	if errors.Is(err, datastore.ErrNotFound) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("index: read %s: %w", key, err)
	}
	links, err := dag.ParseLinks(c, data)
	if err != nil {
		return false, fmt.Errorf("index: %w", err)
	}
	for _, link := range links {
		if ok, err := x.walk(ctx, link.Cid, root, yield); !ok || err != nil {
			return ok, err
		}
	}
	return yield(change{key: key}), nil
}

// has reports whether a whole blob is recorded under root.
func (x index) has(ctx context.Context, root cid.Cid) (bool, error) {
	ok, err := x.store.Has(ctx, rootKey(root))
	if err != nil {
		return false, fmt.Errorf("index: %w", err)
	}
	return ok, nil
}

// place is where a leaf lies.
type place struct {
	root cid.Cid
	leaf int64
}

// places yields every place of the leaf with that multihash.
func (x index) places(ctx context.Context, mh multihash.Multihash) iter.Seq2[place, error] {
	return func(yield func(place, error) bool) {
		for e, err := range x.entries(ctx, query.Query{Prefix: hashPrefix(leafPrefix, mh)}) {
			if err != nil {
				yield(place{}, err)
				return
			}
			root, err := keyRoot(e.Key)
			if err != nil {
				continue // not ours
			}
			leaf, err := readNumber(e.Value)
			if !yield(place{root, leaf}, err) {
				return
			}
		}
	}
}

// inner gives the inner block with that multihash, whatever root it is kept for.
func (x index) inner(ctx context.Context, mh multihash.Multihash) ([]byte, error) {
	for e, err := range x.entries(ctx, query.Query{Prefix: hashPrefix(innerPrefix, mh), Limit: 1}) {
		return e.Value, err
	}
	return nil, ErrNotFound
}

// extra gives a block that belongs to no blob.
func (x index) extra(ctx context.Context, mh multihash.Multihash) ([]byte, error) {
	data, err := x.store.Get(ctx, extraKey(mh))
	if errors.Is(err, datastore.ErrNotFound) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	return data, nil
}

// entries runs a query and ends it when the caller stops.
func (x index) entries(ctx context.Context, q query.Query) iter.Seq2[query.Entry, error] {
	return func(yield func(query.Entry, error) bool) {
		results, err := x.store.Query(ctx, q)
		if err != nil {
			yield(query.Entry{}, fmt.Errorf("index: query %s: %w", q.Prefix, err))
			return
		}
		defer results.Close()
		for {
			r, ok := results.NextSync()
			if !ok {
				return
			}
			if r.Error != nil {
				yield(query.Entry{}, fmt.Errorf("index: query %s: %w", q.Prefix, r.Error))
				return
			}
			if !yield(r.Entry, nil) {
				return
			}
		}
	}
}

// refs yields the roots and sizes recorded under a prefix, and ends with the first error.
func (x index) refs(ctx context.Context, prefix string) iter.Seq2[dag.Ref, error] {
	return x.found(ctx, query.Query{Prefix: prefix})
}

// rootsAfter yields the blobs whose keys come after that of a root; cid.Undef: all of them.
func (x index) rootsAfter(ctx context.Context, after cid.Cid) iter.Seq2[dag.Ref, error] {
	q := query.Query{Prefix: rootPrefix}
	if after.Defined() {
		q.Filters = []query.Filter{query.FilterKeyCompare{Op: query.GreaterThan, Key: rootKey(after).String()}}
	}
	return x.found(ctx, q)
}

func (x index) found(ctx context.Context, q query.Query) iter.Seq2[dag.Ref, error] {
	return func(yield func(dag.Ref, error) bool) {
		for e, err := range x.entries(ctx, q) {
			var ref dag.Ref
			if err == nil {
				ref.CID, err = keyRoot(e.Key)
			}
			if err == nil {
				ref.Size, err = readNumber(e.Value)
			}
			if !yield(ref, err) || err != nil {
				return
			}
		}
	}
}

func number(n int64) []byte { return binary.AppendUvarint(nil, uint64(n)) }

func readNumber(b []byte) (int64, error) {
	n, used := binary.Uvarint(b)
	if used != len(b) || used == 0 || n > dag.MaxSize {
		return 0, fmt.Errorf("index: %d bytes are not a valid number", len(b))
	}
	return int64(n), nil
}

// size is the recorded size of a whole blob; false when there is no record.
func (x index) size(ctx context.Context, root cid.Cid) (int64, bool, error) {
	b, err := x.store.Get(ctx, rootKey(root))
	if errors.Is(err, datastore.ErrNotFound) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("index: %w", err)
	}
	size, err := readNumber(b)
	return size, err == nil, err
}

// unfinish takes back the record of a blob that is still staged.
func (x index) unfinish(ctx context.Context, root cid.Cid, size int64) error {
	return x.apply(ctx, func(yield func(change) bool) {
		_ = yield(change{partialKey(root), number(size)}) && yield(change{key: rootKey(root)})
	})
}

// addRotten records a blob whose file is being set aside.
func (x index) addRotten(ctx context.Context, ref dag.Ref) error {
	return x.apply(ctx, func(yield func(change) bool) {
		_ = yield(change{rottenKey(ref.CID), number(ref.Size)})
	})
}
