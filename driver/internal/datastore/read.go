package datastore

import (
	"context"
	"errors"
	"time"

	"github.com/dgraph-io/badger"
	ds "github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"
)

// readWait is how long a read waits while badger is closed and opened again.
const readWait = 10 * time.Second

// acquire returns the open badger; done must be called after using it.
func (d *Datastore) acquire(ctx context.Context) (*engine, error) {
	for {
		e, changed := d.engine()
		if e != nil && e.use() {
			return e, nil
		}
		timer := time.NewTimer(readWait)
		select {
		case <-changed:
			timer.Stop()
		case <-d.closing:
			timer.Stop()
			return nil, ErrClosed
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		case <-timer.C:
			return nil, d.unavailable(errWait)
		}
	}
}

// view runs f on a snapshot.
func (d *Datastore) view(ctx context.Context, f func(*badger.Txn) error) error {
	e, err := d.acquire(ctx)
	if err != nil {
		return err
	}
	defer e.done()
	return e.db.View(f)
}

func get(txn *badger.Txn, k ds.Key) ([]byte, error) {
	item, err := txn.Get(k.Bytes())
	if errors.Is(err, badger.ErrKeyNotFound) {
		return nil, ds.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	return item.ValueCopy(nil)
}

func size(txn *badger.Txn, k ds.Key) (int, error) {
	item, err := txn.Get(k.Bytes())
	if errors.Is(err, badger.ErrKeyNotFound) {
		return -1, ds.ErrNotFound
	}
	if err != nil {
		return -1, err
	}
	return int(item.ValueSize()), nil
}

// Get implements ds.Datastore.
func (d *Datastore) Get(ctx context.Context, k ds.Key) (v []byte, err error) {
	err = d.view(ctx, func(txn *badger.Txn) error { v, err = get(txn, k); return err })
	return v, err
}

// Has implements ds.Datastore.
func (d *Datastore) Has(ctx context.Context, k ds.Key) (bool, error) {
	_, err := d.GetSize(ctx, k)
	if errors.Is(err, ds.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// GetSize implements ds.Datastore.
func (d *Datastore) GetSize(ctx context.Context, k ds.Key) (n int, err error) {
	err = d.view(ctx, func(txn *badger.Txn) error { n, err = size(txn, k); return err })
	return n, err
}

// Query implements ds.Datastore. Results are in the order of their keys, unless the query
// asks for another order. They end with an error when badger is closed meanwhile.
func (d *Datastore) Query(ctx context.Context, q query.Query) (query.Results, error) {
	e, err := d.acquire(ctx)
	if err != nil {
		return nil, err
	}
	rest, from, limit := narrow(q)
	res := query.ResultsWithContext(q, func(ctx context.Context, out chan<- query.Result) {
		send := func(r query.Result) error {
			select {
			case out <- r:
				return nil
			case <-e.ending:
				return d.unavailable(errStale)
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		err := e.db.View(func(txn *badger.Txn) error { return iterate(txn, q, from, limit, send) })
		e.done() // first: the caller may never read the error
		if err != nil {
			select {
			case out <- query.Result{Error: err}:
			case <-ctx.Done():
			}
		}
	})
	return query.NaiveQueryApply(rest, res), nil
}

// narrow returns what is left of a query when the entries below its prefix come in the order
// of their keys from the first one needed on, that one, and how many are needed; 0: all.
func narrow(q query.Query) (rest query.Query, from string, limit int) {
	rest = q
	rest.Prefix = ""
	if len(q.Filters) == 1 {
		if f, ok := q.Filters[0].(query.FilterKeyCompare); ok && f.Op == query.GreaterThan {
			rest.Filters, from = nil, f.Key+"\x00" // the first key that is greater
		}
	}
	if len(q.Orders) > 0 {
		if _, byKey := q.Orders[0].(query.OrderByKey); byKey {
			rest.Orders = nil
		}
	}
	if len(rest.Filters) == 0 && len(rest.Orders) == 0 && q.Limit > 0 {
		limit = q.Offset + q.Limit
	}
	return rest, from, limit
}

// iterate sends the entries below a query's prefix, those from a key on, at most limit unless
// that is 0.
func iterate(txn *badger.Txn, q query.Query, from string, limit int, send func(query.Result) error) error {
	opt := badger.DefaultIteratorOptions
	opt.PrefetchValues = !q.KeysOnly
	if limit > 0 {
		opt.PrefetchSize = min(opt.PrefetchSize, limit)
	}
	if prefix := prefixOf(q); prefix != "/" {
		opt.Prefix = []byte(prefix)
	}
	it := txn.NewIterator(opt)
	defer it.Close()
	n := 0
	for it.Seek([]byte(max(from, string(opt.Prefix)))); it.Valid() && (limit == 0 || n < limit); it.Next() {
		n++
		if err := send(resultOf(it.Item(), q.KeysOnly)); err != nil {
			return err
		}
	}
	return nil
}

// prefixOf is the prefix of all keys that a query wants.
func prefixOf(q query.Query) string {
	if key := ds.NewKey(q.Prefix).String(); key != "/" {
		return key + "/"
	}
	return "/"
}

func resultOf(item *badger.Item, keysOnly bool) query.Result {
	e := query.Entry{Key: string(item.Key()), Size: int(item.ValueSize())}
	if keysOnly {
		return query.Result{Entry: e}
	}
	v, err := item.ValueCopy(nil)
	if err != nil {
		return query.Result{Error: err}
	}
	e.Value, e.Size = v, len(v)
	return query.Result{Entry: e}
}
