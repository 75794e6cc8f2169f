package datastore

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2"
	ds "github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"
)

// txn reads the datastore as it was when the transaction began, and its own writes, and
// commits these at once. Of two transactions that write the same key the later commit wins:
// conflicts are not detected.
type txn struct {
	d    *Datastore
	snap *pebble.Snapshot

	mu      sync.Mutex
	pending map[ds.Key]change
	order   []ds.Key
	over    bool
}

func (t *txn) put(c change) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, again := t.pending[c.key]; !again {
		t.order = append(t.order, c.key)
	}
	t.pending[c.key] = c
	return nil
}

func (t *txn) Put(_ context.Context, k ds.Key, v []byte) error {
	return t.put(change{key: k, value: v})
}

func (t *txn) Delete(_ context.Context, k ds.Key) error { return t.put(change{key: k, delete: true}) }

// own returns the value that the transaction itself writes at k.
func (t *txn) own(k ds.Key) (c change, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c, ok = t.pending[k]
	return c, ok
}

// read runs f on the snapshot.
func (t *txn) read(f func(pebble.Reader) error) error {
	if !t.d.gate.enter() {
		return ErrClosed
	}
	defer t.d.gate.leave()
	t.mu.Lock()
	over := t.over
	t.mu.Unlock()
	if over {
		return errOver
	}
	return f(t.snap)
}

func (t *txn) Get(_ context.Context, k ds.Key) (v []byte, err error) {
	if c, ok := t.own(k); ok {
		if c.delete {
			return nil, ds.ErrNotFound
		}
		return c.value, nil
	}
	err = t.read(func(r pebble.Reader) error { v, err = get(r, k); return err })
	return v, err
}

func (t *txn) Has(ctx context.Context, k ds.Key) (bool, error) {
	_, err := t.GetSize(ctx, k)
	if errors.Is(err, ds.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

func (t *txn) GetSize(_ context.Context, k ds.Key) (n int, err error) {
	if c, ok := t.own(k); ok {
		if c.delete {
			return -1, ds.ErrNotFound
		}
		return len(c.value), nil
	}
	err = t.read(func(r pebble.Reader) error { n, err = size(r, k); return err })
	return n, err
}

// Query sees what the transaction writes on top of its snapshot, and reads all results at
// once.
func (t *txn) Query(_ context.Context, q query.Query) (query.Results, error) {
	all := map[string]query.Entry{}
	err := t.read(func(r pebble.Reader) error {
		return iterate(r, q, "", 0, func(r query.Result) error {
			all[r.Key] = r.Entry
			return r.Error
		})
	})
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	for k, c := range t.pending {
		switch {
		case !strings.HasPrefix(k.String(), prefixOf(q)):
		case c.delete:
			delete(all, k.String())
		default:
			all[k.String()] = query.Entry{Key: k.String(), Value: c.value, Size: len(c.value)}
		}
	}
	t.mu.Unlock()
	if len(q.Orders) == 0 {
		q.Orders = []query.Order{query.OrderByKey{}}
	}
	entries := slices.Collect(maps.Values(all))
	return query.NaiveQueryApply(q, query.ResultsWithEntries(q, entries)), nil
}

func (t *txn) Commit(ctx context.Context) error {
	t.mu.Lock()
	changes := make([]change, 0, len(t.order))
	for _, k := range t.order {
		changes = append(changes, t.pending[k])
	}
	t.mu.Unlock()
	t.Discard(ctx)
	if len(changes) == 0 {
		return nil
	}
	return t.d.commit(changes)
}

// Discard may be called again, and not while the transaction is used.
func (t *txn) Discard(context.Context) {
	t.mu.Lock()
	t.over = true
	t.mu.Unlock()
	t.d.snapshots.end(t.snap)
}
