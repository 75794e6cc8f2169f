package simulate

import (
	"context"
	"strings"
	"sync"

	ds "github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"
	"github.com/tidwall/btree"
)

// tree is an ordered set of keys with their values. It implements ds.Read and ds.Write. It is not
// safe for concurrent use.
type tree struct{ of *btree.Map[string, []byte] }

func (t tree) Get(_ context.Context, k ds.Key) ([]byte, error) {
	v, ok := t.of.Get(k.String())
	if !ok {
		return nil, ds.ErrNotFound
	}
	return v, nil
}

func (t tree) Has(_ context.Context, k ds.Key) (bool, error) {
	_, ok := t.of.Get(k.String())
	return ok, nil
}

func (t tree) GetSize(ctx context.Context, k ds.Key) (int, error) {
	v, err := t.Get(ctx, k)
	return len(v), err
}

func (t tree) Query(_ context.Context, q query.Query) (query.Results, error) {
	prefix := strings.TrimSuffix(ds.NewKey(q.Prefix).String(), "/") + "/"
	var entries []query.Entry
	t.of.Ascend(prefix, func(key string, value []byte) bool {
		if !strings.HasPrefix(key, prefix) {
			return false
		}
		entries = append(entries, query.Entry{Key: key, Value: value, Size: len(value)})
		return true
	})
	return query.NaiveQueryApply(q, query.ResultsWithEntries(q, entries)), nil
}

func (t tree) Put(_ context.Context, k ds.Key, v []byte) error {
	t.of.Set(k.String(), v)
	return nil
}

func (t tree) Delete(_ context.Context, k ds.Key) error {
	t.of.Delete(k.String())
	return nil
}

// store is a datastore in memory. The zero value is empty. It is safe for concurrent use, but two
// transactions that write at the same time are not told apart: a map begins one after the other.
type store struct {
	mu sync.Mutex
	of btree.Map[string, []byte]
}

var _ ds.TxnDatastore = (*store)(nil)

// snapshot is what is there now, in constant time.
func (s *store) snapshot() tree {
	s.mu.Lock()
	defer s.mu.Unlock()
	return tree{s.of.Copy()}
}

func (s *store) Get(ctx context.Context, k ds.Key) ([]byte, error) { return s.snapshot().Get(ctx, k) }
func (s *store) Has(ctx context.Context, k ds.Key) (bool, error)   { return s.snapshot().Has(ctx, k) }
func (s *store) GetSize(ctx context.Context, k ds.Key) (int, error) {
	return s.snapshot().GetSize(ctx, k)
}

func (s *store) Query(ctx context.Context, q query.Query) (query.Results, error) {
	return s.snapshot().Query(ctx, q)
}

func (s *store) Put(ctx context.Context, k ds.Key, v []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return tree{&s.of}.Put(ctx, k, v)
}

func (s *store) Delete(ctx context.Context, k ds.Key) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return tree{&s.of}.Delete(ctx, k)
}

func (s *store) Sync(context.Context, ds.Key) error { return nil }
func (s *store) Close() error                       { return nil }

// NewTransaction implements ds.TxnDatastore.
func (s *store) NewTransaction(context.Context, bool) (ds.Txn, error) {
	return &txn{tree: s.snapshot(), store: s}, nil
}

// txn is a transaction: what it writes is in a copy of the store until it is committed.
type txn struct {
	tree
	store   *store
	changes []func(tree)
}

func (t *txn) Put(ctx context.Context, k ds.Key, v []byte) error {
	t.changes = append(t.changes, func(o tree) { _ = o.Put(ctx, k, v) })
	return t.tree.Put(ctx, k, v)
}

func (t *txn) Delete(ctx context.Context, k ds.Key) error {
	t.changes = append(t.changes, func(o tree) { _ = o.Delete(ctx, k) })
	return t.tree.Delete(ctx, k)
}

// Commit implements ds.Txn.
func (t *txn) Commit(context.Context) error {
	t.store.mu.Lock()
	defer t.store.mu.Unlock()
	for _, change := range t.changes {
		change(tree{&t.store.of})
	}
	t.changes = nil
	return nil
}

// Discard implements ds.Txn.
func (t *txn) Discard(context.Context) { t.changes = nil }
