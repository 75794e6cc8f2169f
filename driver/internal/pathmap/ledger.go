package pathmap

import (
	"context"
	"fmt"
	"sync"

	ds "github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"
)

// ledger is the datastore under the CRDT. Between begin and commit every write
// lands in one transaction of the store below, and reads see it: a delta, its
// block, the CRDT's marks and heads reach the disk together or not at all, with
// one sync. Without it a kill between go-ds-crdt's separate writes leaves a
// delta that is processed and under no head.
type ledger struct {
	base ds.TxnDatastore

	mu  sync.Mutex // a transaction is not safe for concurrent use
	txn ds.Txn
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

func (l *ledger) discard(ctx context.Context) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.txn != nil {
		l.txn.Discard(ctx)
		l.txn = nil
	}
}

// read runs f on the transaction when there is one, else on the store.
func (l *ledger) read(f func(ds.Read) error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.txn != nil {
		return f(l.txn)
	}
	return f(l.base)
}

func (l *ledger) write(f func(ds.Write) error) error {
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

// Query answers whole: an iterator left open while others read the same
// transaction would race with them. Only the start-up reads more than a few
// keys, and that goes past the ledger.
func (l *ledger) Query(ctx context.Context, q query.Query) (query.Results, error) {
	var entries []query.Entry
	err := l.read(func(r ds.Read) error {
		res, err := r.Query(ctx, q)
		if err != nil {
			return err
		}
		entries, err = res.Rest()
		return err
	})
	if err != nil {
		return nil, err
	}
	return query.ResultsWithEntries(q, entries), nil
}

func (l *ledger) Put(ctx context.Context, k ds.Key, v []byte) error {
	return l.write(func(w ds.Write) error { return w.Put(ctx, k, v) })
}

func (l *ledger) Delete(ctx context.Context, k ds.Key) error {
	return l.write(func(w ds.Write) error { return w.Delete(ctx, k) })
}

func (l *ledger) Sync(context.Context, ds.Key) error { return nil } // commits are synced
func (l *ledger) Close() error                       { return nil } // the store is its opener's

// Batch writes straight through: the transaction is the batch.
func (l *ledger) Batch(context.Context) (ds.Batch, error) { return direct{l}, nil }

type direct struct{ *ledger }

func (direct) Commit(context.Context) error { return nil }
