package datastore

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/dgraph-io/badger"
	ds "github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"
)

// change is one write.
type change struct {
	key    ds.Key
	value  []byte
	delete bool
}

func (c change) size() int { return len(c.key.String()) + len(c.value) + changeCost }

func (c change) set(txn *badger.Txn) error {
	if c.delete {
		return txn.Delete(c.key.Bytes())
	}
	return txn.Set(c.key.Bytes(), c.value)
}

// errRejected reports that badger refused a change before anything was written.
var errRejected = errors.New("rejected")

// batch gathers changes. A batch of more than partSize bytes or partCount changes is
// committed in parts, in the order of its changes. It is not safe for concurrent use.
type batch struct {
	d       *Datastore
	changes []change
}

func (b *batch) Put(_ context.Context, k ds.Key, v []byte) error {
	b.changes = append(b.changes, change{key: k, value: v})
	return nil
}

func (b *batch) Delete(_ context.Context, k ds.Key) error {
	b.changes = append(b.changes, change{key: k, delete: true})
	return nil
}

func (b *batch) Commit(context.Context) error {
	for len(b.changes) > 0 {
		n := partLen(b.changes)
		if err := b.d.commit(nil, b.changes[:n]); err != nil {
			return err
		}
		b.changes = b.changes[n:]
	}
	return nil
}

func partLen(changes []change) int {
	size := 0
	for i, c := range changes {
		size += c.size()
		if i > 0 && (size > partSize || i >= partCount) {
			return i
		}
	}
	return len(changes)
}

// txn reads the datastore as it was when the transaction began, and its own writes, and
// commits these at once. Of two transactions that write the same key the later commit wins:
// conflicts are not detected.
type txn struct {
	d    *Datastore
	on   *engine
	snap *badger.Txn

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

// read runs f on the snapshot, unless badger was opened again since.
func (t *txn) read(f func(*badger.Txn) error) error {
	if !t.on.use() {
		return t.d.unavailable(errStale)
	}
	defer t.on.done()
	return f(t.snap)
}

func (t *txn) Get(_ context.Context, k ds.Key) (v []byte, err error) {
	if c, ok := t.own(k); ok {
		if c.delete {
			return nil, ds.ErrNotFound
		}
		return c.value, nil
	}
	err = t.read(func(txn *badger.Txn) error { v, err = get(txn, k); return err })
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
	err = t.read(func(txn *badger.Txn) error { n, err = size(txn, k); return err })
	return n, err
}

// Query sees what the transaction writes on top of its snapshot, and reads all results at
// once.
func (t *txn) Query(_ context.Context, q query.Query) (query.Results, error) {
	all := map[string]query.Entry{}
	err := t.read(func(txn *badger.Txn) error {
		return iterate(txn, q, "", 0, func(r query.Result) error {
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
	return t.d.commit(t.on, changes)
}

// Discard may be called again.
func (t *txn) Discard(context.Context) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.over && t.on.use() {
		t.snap.Discard()
		t.on.done()
	}
	t.over = true
}
