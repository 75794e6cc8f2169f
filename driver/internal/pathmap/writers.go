package pathmap

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"strings"

	ds "github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"
)

// notWaitedKey is the prefix of the keys of writers that a collection here does not wait for
// → the greatest counter that was merged of each when that was decided.
var notWaitedKey = ds.NewKey("/paths/notwaited")

// Writers gives everybody else who ever wrote to this map, as far as it was merged here, by
// peer ID, with no less than the greatest counter of its versions. Deletes and restarts lose
// nothing of it.
func (m *Map) Writers() map[string]uint64 { return m.others(&m.written.of) }

// Merged gives what Writers does, but never more than what a View has that is taken afterwards.
func (m *Map) Merged() map[string]uint64 { return m.others(&m.written.merged) }

// others gives what is known of all writers but this registry, of a map in m.written.
func (m *Map) others(of *map[string]uint64) map[string]uint64 {
	m.written.mu.Lock()
	defer m.written.mu.Unlock()
	all := maps.Clone(*of)
	delete(all, m.cfg.Self)
	return all
}

// NotWaited gives the writers that are not to be waited for, with what Writers gave for each
// when that was decided.
func (m *Map) NotWaited() (map[string]uint64, error) {
	return m.counters(notWaitedKey)
}

// DoNotWait notes, on disk, that a writer is not to be waited for, until something newer of
// it is merged: it was forgotten.
func (m *Map) DoNotWait(ctx context.Context, writer string) error {
	key := ds.RawKey(notWaitedKey.String() + "/" + writer)
	err := m.cfg.Store.Put(ctx, key, binary.AppendUvarint(nil, m.Writers()[writer]))
	if err == nil {
		err = m.cfg.Store.Sync(ctx, key)
	}
	if err != nil {
		return fmt.Errorf("forget writer %s: %w", writer, err)
	}
	return nil
}

// counters reads a counter for each name below a key.
func (m *Map) counters(below ds.Key) (map[string]uint64, error) {
	res, err := m.cfg.Store.Query(m.ctx, query.Query{Prefix: below.String()})
	if err != nil {
		return nil, fmt.Errorf("load path map: %w", err)
	}
	entries, err := res.Rest()
	if err != nil {
		return nil, fmt.Errorf("load path map: %w", err)
	}
	of := map[string]uint64{}
	for _, e := range entries {
		of[strings.TrimPrefix(e.Key, below.String()+"/")], _ = binary.Uvarint(e.Value)
	}
	return of, nil
}

// fromHistory notes the writers of all deltas in a datastore of a release that did not. It
// reads the whole history, once.
func (w *written) fromHistory(m *Map) error {
	res, err := m.cfg.Store.Query(m.ctx, query.Query{Prefix: blockKey.String()})
	if err != nil {
		return fmt.Errorf("load path map: %w", err)
	}
	defer func() { _ = res.Close() }()
	for r := range res.Next() {
		if r.Error != nil {
			return fmt.Errorf("load path map: %w", errors.Join(r.Error, m.ctx.Err()))
		}
		block, err := blockOf(r.Value)
		if err != nil {
			return fmt.Errorf("load path map: %w", err)
		}
		if _, merged, err := m.known(block.Cid()); err != nil || !merged {
			if err != nil {
				return err
			}
			continue
		}
		d, err := parseDelta(block)
		if err != nil {
			continue // an older release accepted it: what it changes is not read either
		}
		for _, c := range d.changes {
			id := peerOf(c.writer)
			w.of[id] = max(w.of[id], c.counter)
		}
	}
	return nil
}

// store writes down all that is known, at once.
func (w *written) store(m *Map) error {
	txn, err := m.cfg.Store.NewTransaction(m.ctx, false)
	if err != nil {
		return err
	}
	defer txn.Discard(m.ctx)
	for id, counter := range w.of {
		if err := txn.Put(m.ctx, ds.RawKey(writtenKey.String()+"/"+id), binary.AppendUvarint(nil, counter)); err != nil {
			return err
		}
	}
	if err := txn.Put(m.ctx, earlierKey, binary.AppendUvarint(nil, w.earlier)); err != nil {
		return err
	}
	return txn.Commit(m.ctx)
}
