package pathmap

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"sync"

	ds "github.com/ipfs/go-datastore"
	"github.com/libp2p/go-libp2p/core/peer"
)

// Keys of what is known of each peer's writes.
var (
	writtenKey = ds.NewKey("/paths/written") // peer ID → greatest counter of its versions
	earlierKey = ds.NewKey("/paths/earlier") // greatest counter of all when that was first kept
)

// written is the greatest counter of each peer's versions that were merged here, alive or
// not. A peer is told its own, from which it learns whether an older copy of its datastore was
// restored.
type written struct {
	mu      sync.Mutex
	of      map[string]uint64
	earlier uint64 // versions up to it may be any peer's: an older release did not count
	stored  bool   // earlier is on disk

	merged map[string]uint64 // the same, but never ahead of what readers see
}

func (w *written) open(m *Map) error {
	b, err := m.ledger.Get(m.ctx, earlierKey)
	if err != nil && !errors.Is(err, ds.ErrNotFound) {
		return fmt.Errorf("load path map: %w", err)
	}
	w.earlier, w.stored = m.counter, err == nil
	if w.stored {
		w.earlier, _ = binary.Uvarint(b)
	}
	w.of, err = m.counters(writtenKey)
	if err == nil && !w.stored && len(m.Heads()) > 0 {
		err = w.catchUp(m)
	}
	w.merged = maps.Clone(w.of)
	return err
}

// catchUp takes what an older release did not count.
func (w *written) catchUp(m *Map) error {
	if err := w.fromHistory(m); err != nil {
		return err
	}
	if w.stored = w.store(m) == nil; !w.stored { // the disk is full: the history is read again
		m.log.Debug("the writers of the history are not written down")
	}
	return nil
}

// note takes the versions that deltas name, including those that they delete, and stores in
// their transaction what is merged with them. In memory it is an upper bound: it may be ahead
// of the disk, but never behind it.
func (w *written) note(m *Map, deltas []*delta) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	store := map[string]uint64{}
	if !w.stored { // all that open found in the history
		maps.Copy(store, w.merged)
	}
	for id, counter := range greatest(deltas) {
		w.of[id] = max(w.of[id], counter)
		store[id] = max(w.merged[id], counter)
	}
	for id, counter := range store {
		key := ds.RawKey(writtenKey.String() + "/" + id)
		if err := m.ledger.Put(m.ctx, key, binary.AppendUvarint(nil, counter)); err != nil {
			return err
		}
	}
	if w.stored {
		return nil
	}
	return m.ledger.Put(m.ctx, earlierKey, binary.AppendUvarint(nil, w.earlier))
}

// greatest is the greatest counter of each peer's versions that deltas name.
func greatest(deltas []*delta) map[string]uint64 {
	of := map[string]uint64{}
	for _, d := range deltas {
		for _, c := range d.changes {
			if id := peerOf(c.writer); id != "" { // else it is nobody's, and no part of a key
				of[id] = max(of[id], c.counter)
			}
		}
	}
	return of
}

// published notes that what note stored is on disk, and that readers see it.
func (w *written) published(deltas []*delta) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stored = true
	for id, counter := range greatest(deltas) {
		w.merged[id] = max(w.merged[id], counter)
	}
}

// writtenBy is no less than the greatest counter of a peer's versions that this registry knows of.
func (m *Map) writtenBy(id string) uint64 {
	m.written.mu.Lock()
	defer m.written.mu.Unlock()
	return max(m.written.of[id], m.written.earlier)
}

// by returns no less than the greatest counter of a peer's versions that were merged here.
func (w *written) by(id peer.ID) uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return max(w.of[id.String()], w.earlier)
}
