package datastore

import (
	"context"
	"errors"

	"github.com/cockroachdb/pebble/v2"
	ds "github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"
)

// view runs f on what is there now.
func (d *Datastore) view(f func(pebble.Reader) error) error {
	if !d.gate.enter() {
		return ErrClosed
	}
	defer d.gate.leave()
	return f(d.db)
}

func get(r pebble.Reader, k ds.Key) ([]byte, error) {
	v, c, err := r.Get(k.Bytes())
	if err != nil {
		return nil, absent(err)
	}
	return append([]byte{}, v...), c.Close()
}

func size(r pebble.Reader, k ds.Key) (int, error) {
	v, c, err := r.Get(k.Bytes())
	if err != nil {
		return -1, absent(err)
	}
	return len(v), c.Close()
}

// Get implements ds.Datastore.
func (d *Datastore) Get(_ context.Context, k ds.Key) (v []byte, err error) {
	err = d.view(func(r pebble.Reader) error { v, err = get(r, k); return err })
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
func (d *Datastore) GetSize(_ context.Context, k ds.Key) (n int, err error) {
	err = d.view(func(r pebble.Reader) error { n, err = size(r, k); return err })
	return n, err
}

// Query implements ds.Datastore. Results are in the order of their keys, unless the query
// asks for another order. They end with an error when the datastore is closed meanwhile.
func (d *Datastore) Query(_ context.Context, q query.Query) (query.Results, error) {
	if !d.gate.enter() {
		return nil, ErrClosed
	}
	rest, from, limit := narrow(q)
	res := query.ResultsWithContext(q, func(ctx context.Context, out chan<- query.Result) {
		send := func(r query.Result) error {
			select {
			case out <- r:
				return nil
			case <-d.closing:
				return ErrClosed
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		err := iterate(d.db, q, from, limit, send)
		d.gate.leave() // first: the caller may never read the error
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
func iterate(r pebble.Reader, q query.Query, from string, limit int, send func(query.Result) error) (err error) {
	prefix := prefixOf(q)
	if from >= string(after(prefix)) {
		return nil
	}
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: []byte(max(from, prefix)), UpperBound: after(prefix)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, it.Close()) }() // also what ended the iterator early: it must not look like the end
	n := 0
	for ok := it.First(); ok && (limit == 0 || n < limit); ok = it.Next() {
		n++
		res, err := resultOf(it, q.KeysOnly)
		if err != nil {
			return err
		}
		if err := send(res); err != nil {
			return err
		}
	}
	return nil
}

// after is the first key behind all that have a prefix, which ends with a slash.
func after(prefix string) []byte {
	return append([]byte(prefix[:len(prefix)-1]), '/'+1)
}

// prefixOf is the prefix of all keys that a query wants.
func prefixOf(q query.Query) string {
	if key := ds.NewKey(q.Prefix).String(); key != "/" {
		return key + "/"
	}
	return "/"
}

func resultOf(it *pebble.Iterator, keysOnly bool) (query.Result, error) {
	e := query.Entry{Key: string(it.Key())}
	if keysOnly {
		lazy := it.LazyValue()
		e.Size = lazy.Len()
		return query.Result{Entry: e}, nil
	}
	v, err := it.ValueAndErr()
	if err != nil {
		return query.Result{}, err
	}
	e.Value, e.Size = append([]byte{}, v...), len(v)
	return query.Result{Entry: e}, nil
}
