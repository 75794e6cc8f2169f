package pathmap

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ipfs/go-cid"
	ds "github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"
	"github.com/ipfs/go-ds-crdt/pb"
)

// A step drops a few deltas in one transaction.
const (
	stepDeltas = 256
	stepBytes  = 512 << 10 // of blocks, beyond the first
)

// tombKeys is where go-ds-crdt keeps tombstones, as elemKeys is for elements.
var tombKeys = crdtKey.ChildString("s").ChildString("t").String()

// leaving is a delta that is to be dropped: in a step, read before the map is locked.
type leaving struct {
	place
	id    string
	tombs []*pb.Element
}

// dropStretch drops what is stable, a step at a time, oldest first. Readers and writers get their turn
// between two steps, and the disk has twice the time that a step took for them. A kill leaves whole
// steps; what is left is dropped with a later stretch.
func (m *Map) dropStretch(ctx context.Context, s *stretch, c Compaction) error {
	var step []leaving
	size := 0
	drop := func() error {
		if held := m.held(c); held != "" {
			return fmt.Errorf("%w: %s", errHeld, held)
		}
		began := time.Now()
		err := m.dropStep(s, step)
		step, size = step[:0], 0
		if err != nil {
			return err
		}
		return pauseFor(ctx, 2*time.Since(began))
	}
	err := m.scan(orderKey.String(), "", true, func(e query.Entry) error {
		p, err := placeOf(e.Key)
		if err != nil {
			return err
		}
		if p.priority > s.upTo {
			return errEnough
		}
		l, n, err := m.leaving(ctx, p)
		if err != nil || l.id == "" {
			return err
		}
		step = append(step, l)
		if size += n; len(step) < stepDeltas && size < stepBytes {
			return nil
		}
		return drop()
	})
	if err != nil && !errors.Is(err, errEnough) {
		return err
	}
	if len(step) == 0 {
		return nil
	}
	return drop()
}

var (
	errEnough = errors.New("what follows is not stable")
	errHeld   = errors.New("it is not compacted any further now")
)

func pauseFor(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// leaving reads what goes with a delta. One that cannot be read stays as it is, and has no ID here.
func (m *Map) leaving(ctx context.Context, p place) (l leaving, size int, err error) {
	msg, size, err := m.readDelta(ctx, p.cid)
	if err != nil || msg == nil {
		return l, size, err
	}
	for _, e := range msg.GetElements() {
		err := m.canTravel(e.GetKey())
		if errors.Is(err, errGivesNone) {
			err = m.obstructs(e.GetKey(), err)
		}
		if err != nil {
			return l, size, err
		}
	}
	return leaving{place: p, id: idOf(p.cid), tombs: slices.DeleteFunc(msg.GetTombstones(), lasts)}, size, nil
}

// dropStep drops deltas in one transaction: their blocks, their marks and places in the order, and the
// versions that they deleted, with the tombstones. Names stay. A delta that no other follows yet stays
// whole, because others ask for it; so does one that a state does not know which is being given.
func (m *Map) dropStep(s *stretch, step []leaving) error {
	m.lock.Lock()
	defer m.lock.Unlock()
	if err := m.mend(); err != nil {
		return err
	}
	heads := cid.NewSet()
	for _, h := range m.Heads() {
		heads.Add(h)
	}
	txn, err := m.cfg.Store.NewTransaction(m.ctx, false)
	if err != nil {
		return err
	}
	defer txn.Discard(m.ctx)
	n := 0
	for _, l := range step {
		if heads.Has(l.cid) || s.isLate(l.id) || m.cuts.madeBefore(l.id) {
			continue
		}
		_, here, err := m.priorityOf(dsKey(knownKey.String() + l.id))
		if err == nil && here {
			n++
			err = m.dropDelta(txn, l)
		}
		if err != nil {
			return fmt.Errorf("drop delta %s: %w", l.cid, err)
		}
	}
	if n == 0 {
		return nil
	}
	return m.endStep(txn, n)
}

func (m *Map) dropDelta(txn ds.Txn, l leaving) error {
	name, err := bygoneName(l.id)
	if err == nil {
		err = txn.Put(m.ctx, name, appendUvarint(l.priority))
	}
	if err != nil {
		return err
	}
	gone := []ds.Key{l.key(), dsKey(knownKey.String() + l.id), dsKey(blockKey.String() + l.id), processedKey(l.id), signedOf(l.id)}
	for _, t := range l.tombs {
		if _, err := cidOf(t.GetId()); err != nil {
			continue // no delta has such an ID
		}
		// A tombstone of what a delta adds that is yet to come would be the only one to know of it.
		_, merged, err := m.knownID(t.GetId())
		if err != nil {
			return err
		}
		if merged {
			gone = append(gone, dsKey(elemKeys+t.GetKey()+t.GetId()), dsKey(tombKeys+t.GetKey()+t.GetId()), twiceOf(t.GetKey(), t.GetId()))
		}
	}
	for _, k := range gone {
		if err := txn.Delete(m.ctx, k); err != nil {
			return err
		}
	}
	return nil
}

// endStep commits a step. When that fails the step may be on disk nevertheless: names are looked up
// from here on either way, and nothing else of it is in memory.
func (m *Map) endStep(txn ds.Txn, n int) error {
	m.history.mu.Lock()
	done := compactedDeltas{Deltas: m.history.done.Deltas + n, At: time.Now().UTC()}
	m.history.mu.Unlock()
	b, err := json.Marshal(done)
	if err == nil {
		err = txn.Put(m.ctx, compactedKey, b)
	}
	if err != nil {
		return err
	}
	m.history.begun.Store(true)
	if err := txn.Commit(m.ctx); err != nil {
		return fmt.Errorf("compact the history: %w", err)
	}
	m.history.mu.Lock()
	m.history.done = done
	m.history.mu.Unlock()
	m.history.kept.Add(-int64(n))
	return nil
}
