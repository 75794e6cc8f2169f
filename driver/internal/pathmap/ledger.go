package pathmap

import (
	"context"
	"fmt"
	"strings"
	"sync"

	ds "github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"
	"github.com/tidwall/btree"
)

// ledger is the datastore under the CRDT. Between begin and commit every write
// lands in one transaction of the store below, and reads see it: a delta, its
// block, the CRDT's marks and heads reach the disk together or not at all, with
// one sync. Without it a kill between go-ds-crdt's separate writes leaves a
// delta that is processed and under no head.
type ledger struct {
	base ds.TxnDatastore

	mu      sync.Mutex // a transaction is not safe for concurrent use
	txn     ds.Txn
	pending btree.Map[string, bool] // keys the transaction writes: put, or deleted
}

var (
	_ ds.Batching = (*ledger)(nil)
	_ ds.Batch    = direct{}
)

func (l *ledger) begin(ctx context.Context) error {
	txn, err := l.base.NewTransaction(ctx, false)
	if err != nil {
		return fmt.Errorf("begin transaction: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.txn = txn
	l.pending.Clear()
	return nil
}

func (l *ledger) commit(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	txn := l.txn
	l.txn = nil
	if err := txn.Commit(ctx); err != nil {
		txn.Discard(ctx)
		return fmt.Errorf("commit transaction: %w", err)
	}
	return nil
}

// written are the keys that the last transaction wrote, or tried to.
func (l *ledger) written() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pending.Keys()
}

func (l *ledger) discard(ctx context.Context) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.txn != nil {
		l.txn.Discard(ctx)
		l.txn = nil
	}
}

// read runs f on the transaction when there is one, and otherwise on the store.
func (l *ledger) read(f func(ds.Read) error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.txn != nil {
		return f(l.txn)
	}
	return f(l.base)
}

func (l *ledger) Get(ctx context.Context, k ds.Key) (v []byte, err error) {
	err = l.read(func(r ds.Read) error { v, err = r.Get(ctx, k); return err })
	return v, err
}

func (l *ledger) Has(ctx context.Context, k ds.Key) (ok bool, err error) {
	err = l.read(func(r ds.Read) error { ok, err = r.Has(ctx, k); return err })
	return ok, err
}

func (l *ledger) GetSize(ctx context.Context, k ds.Key) (n int, err error) {
	err = l.read(func(r ds.Read) error { n, err = r.GetSize(ctx, k); return err })
	return n, err
}

// Query reads all results before it returns: an iterator left open while others read the
// same transaction would race with them. Only the start-up reads more than a few keys, and
// that bypasses the ledger.
func (l *ledger) Query(ctx context.Context, q query.Query) (query.Results, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.txn == nil {
		return whole(l.base.Query(ctx, q))
	}
	return l.queryPending(ctx, q)
}

// queryPending overlays what is committed with what the transaction writes. The transaction's
// own query does the same, but sorts all that is pending each time, and a delta with a
// thousand tombstones asks a thousand times.
func (l *ledger) queryPending(ctx context.Context, q query.Query) (query.Results, error) {
	committed, err := whole(l.base.Query(ctx, query.Query{Prefix: q.Prefix, KeysOnly: q.KeysOnly}))
	if err != nil {
		return nil, err
	}
	var entries []query.Entry
	for r := range committed.Next() {
		if _, over := l.pending.Get(r.Key); !over {
			entries = append(entries, r.Entry)
		}
	}
	prefix := strings.TrimSuffix(ds.NewKey(q.Prefix).String(), "/") + "/"
	l.pending.Ascend(prefix, func(key string, put bool) bool {
		if !strings.HasPrefix(key, prefix) {
			return false
		}
		if !put {
			return true
		}
		e := query.Entry{Key: key}
		if !q.KeysOnly {
			if e.Value, err = l.txn.Get(ctx, ds.RawKey(key)); err != nil {
				return false
			}
			e.Size = len(e.Value)
		}
		entries = append(entries, e)
		return true
	})
	if err != nil {
		return nil, err
	}
	if len(q.Orders) == 0 {
		q.Orders = []query.Order{query.OrderByKey{}}
	}
	return query.NaiveQueryApply(q, query.ResultsWithEntries(q, entries)), nil
}

// whole reads results to their end.
func whole(res query.Results, err error) (query.Results, error) {
	if err != nil {
		return nil, err
	}
	entries, err := res.Rest()
	if err != nil {
		return nil, err
	}
	return query.ResultsWithEntries(res.Query(), entries), nil
}

func (l *ledger) Put(ctx context.Context, k ds.Key, v []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.txn == nil {
		return l.base.Put(ctx, k, v)
	}
	l.pending.Set(k.String(), true)
	return l.txn.Put(ctx, k, v)
}

func (l *ledger) Delete(ctx context.Context, k ds.Key) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.txn == nil {
		return l.base.Delete(ctx, k)
	}
	l.pending.Set(k.String(), false)
	return l.txn.Delete(ctx, k)
}

func (l *ledger) Sync(context.Context, ds.Key) error { return nil } // commits are synced
func (l *ledger) Close() error                       { return nil } // the store belongs to the code that opened it

// Batch writes straight through: the transaction is the batch.
func (l *ledger) Batch(context.Context) (ds.Batch, error) { return direct{l}, nil }

type direct struct{ *ledger }

func (direct) Commit(context.Context) error { return nil }
