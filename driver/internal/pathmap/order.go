package pathmap

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/ipfs/boxo/datastore/dshelp"
	"github.com/ipfs/go-cid"
	ds "github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"
	"github.com/multiformats/go-multihash"
)

// The history in the order in which it can be merged: a delta's priority is one more than
// the greatest of its parents. Each merged delta has a key under orderKey, in shelves of
// 256 priorities, so that a part of a long history is found without reading the rest.
var (
	orderKey   = ds.NewKey("/paths/order")
	orderedKey = ds.NewKey("/paths/ordered") // all that is merged has such a key
)

const shelfBits = 8

// place is where a delta stands in the history.
type place struct {
	priority uint64
	cid      cid.Cid
}

func (p place) compare(o place) int {
	if p.priority != o.priority {
		return cmp.Compare(p.priority, o.priority)
	}
	return bytes.Compare(p.cid.Hash(), o.cid.Hash())
}

func shelfOf(priority uint64) ds.Key {
	return orderKey.ChildString(fmt.Sprintf("%014x", priority>>shelfBits))
}

func (p place) key() ds.Key {
	return shelfOf(p.priority).ChildString(p.name())
}

// name is the last component of its key.
func (p place) name() string { return fmt.Sprintf("%016x-%x", p.priority, []byte(p.cid.Hash())) }

func placeOf(key string) (place, error) {
	p, err := placeNamed(ds.RawKey(key).Name())
	if err != nil {
		return p, fmt.Errorf("order of deltas: key %s: %w", key, err)
	}
	return p, nil
}

func placeNamed(name string) (p place, err error) {
	priority, hash, _ := strings.Cut(name, "-")
	if p.priority, err = strconv.ParseUint(priority, 16, 64); err != nil {
		return p, err
	}
	sum, err := hex.DecodeString(hash)
	if err != nil {
		return p, err
	}
	mh, err := multihash.Cast(sum)
	if err != nil {
		return p, err
	}
	p.cid = cid.NewCidV1(cid.DagProtobuf, mh)
	return p, nil
}

// placesAfter gives the merged deltas after a place, oldest first, up to a limit; more
// reports whether the limit was reached. It reads what is committed, and finds it by one seek, however
// much was dropped before it.
func (m *Map) placesAfter(ctx context.Context, after place, limit int) (places []place, more bool, err error) {
	last := shelfOf(after.priority).ChildString(fmt.Sprintf("%016x-", after.priority)) // before all of that priority
	if after.cid.Defined() {
		last = after.key()
	}
	places, err = m.placesIn(ctx, query.Query{
		Prefix: orderKey.String(), KeysOnly: true, Limit: limit + 1, Orders: []query.Order{query.OrderByKey{}},
		Filters: []query.Filter{query.FilterKeyCompare{Op: query.GreaterThan, Key: last.String()}},
	})
	if len(places) > limit {
		return places[:limit], true, err
	}
	return places, false, err
}

// readShelf gives what lies on a shelf, oldest first.
func (m *Map) readShelf(ctx context.Context, shelf uint64) ([]place, error) {
	return m.placesIn(ctx, query.Query{Prefix: shelfOf(shelf << shelfBits).String(), KeysOnly: true, Orders: []query.Order{query.OrderByKey{}}})
}

// placesIn reads the places that a query finds.
func (m *Map) placesIn(ctx context.Context, q query.Query) (places []place, err error) {
	res, err := m.cfg.Store.Query(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("order of deltas: %w", err)
	}
	defer func() { err = errors.Join(err, res.Close()) }()
	for r := range res.Next() {
		if r.Error != nil {
			return nil, fmt.Errorf("order of deltas: %w", r.Error)
		}
		p, err := placeOf(r.Key)
		if err != nil {
			return nil, err
		}
		places = append(places, p)
	}
	return places, nil
}

// putInOrder gives a key to all merged deltas in a datastore written by a release that gave
// them none. Until that is done this registry cannot list its history.
func (m *Map) putInOrder() {
	done, err := m.inOrder()
	if err == nil && !done {
		err = m.orderAll(m.ctx)
	}
	if err == nil && !done {
		err = m.cfg.Store.Put(m.ctx, orderedKey, nil)
	}
	if err != nil {
		if m.ctx.Err() == nil {
			m.log.WithError(err).Warn("the history of paths cannot be put in order: other registries join more slowly; the next start tries again")
		}
		return
	}
	m.ordered.Store(true)
}

// inOrder reports whether nothing is left to do. Every delta that an older release merged
// has become a head, or lies below a head that it made.
func (m *Map) inOrder() (bool, error) {
	done, err := m.cfg.Store.Has(m.ctx, orderedKey)
	if err != nil || !done {
		return false, err
	}
	for _, h := range m.Heads() {
		priority, ok, err := m.known(h)
		if err != nil || !ok {
			return false, err
		}
		if ok, err = m.cfg.Store.Has(m.ctx, place{priority, h}.key()); err != nil || !ok {
			return false, err
		}
	}
	return true, nil
}

func (m *Map) orderAll(ctx context.Context) error {
	res, err := m.cfg.Store.Query(ctx, query.Query{Prefix: knownKey.String()})
	if err != nil {
		return err
	}
	defer func() { _ = res.Close() }()
	var places []place
	for r := range res.Next() {
		if r.Error != nil {
			return r.Error
		}
		c, err := dshelp.DsKeyToCidV1(ds.NewKey(ds.RawKey(r.Key).Name()), cid.DagProtobuf)
		if err != nil {
			return err
		}
		priority, _ := binary.Uvarint(r.Value)
		if places = append(places, place{priority, c}); len(places) == 1000 {
			if err := m.putPlaces(ctx, places); err != nil {
				return err
			}
			places = places[:0]
		}
	}
	return m.putPlaces(ctx, places)
}

func (m *Map) putPlaces(ctx context.Context, places []place) error {
	txn, err := m.cfg.Store.NewTransaction(ctx, false)
	if err != nil {
		return err
	}
	defer txn.Discard(ctx)
	for _, p := range places {
		if err := txn.Put(ctx, p.key(), nil); err != nil {
			return err
		}
	}
	return txn.Commit(ctx)
}
