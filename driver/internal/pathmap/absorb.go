package pathmap

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	ds "github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"
)

// absorbing has one goroutine at a time do what is left to do of states. It is ready to use.
type absorbing struct{ mu sync.Mutex }

// absorb does on disk what is left to do of states that became a part of the map: what they deleted is
// deleted, and their names go to those of what was compacted, where each takes 42 bytes in place of a
// hundred, and all are looked up at once. Then their labels go. Each step is whole and synced: a start
// goes on where a kill ended it.
func (m *Map) absorb() {
	m.absorbing.mu.Lock()
	defer m.absorbing.mu.Unlock()
	for _, label := range m.behindCut.Load().all() {
		if err := m.absorbState(label); err != nil {
			m.logDrop(err)
		}
	}
}

func (m *Map) absorbState(label string) error {
	if err := m.dropWritten(dropsOf(label)); err != nil {
		return err
	}
	if m.cuts.lack(label) { // when that one is closed, it goes on
		return nil
	}
	if err := m.beginNames(); err != nil {
		return err
	}
	if err := m.moveNames(underLabel(label)); err != nil {
		return err
	}
	if err := m.dropUnmerged(); err != nil {
		return err
	}
	return m.dropLabel(label)
}

// lack reports whether a cut is open that was made before a state became a part of the map. It must not
// tell the names of that state, and it tells all those of what was compacted. No cut that is opened from
// now on lacks it.
func (c *cuts) lack(label string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, o := range c.of {
		if !o.behind.has(label) {
			return true
		}
	}
	return false
}

// beginNames has names looked up among those of what was compacted, also after a restart.
func (m *Map) beginNames() error {
	if err := m.beforeNames(m.ctx); err != nil {
		return err
	}
	m.lock.Lock()
	defer m.lock.Unlock()
	if err := m.mend(); err != nil {
		return err
	}
	begun, err := m.cfg.Store.Has(m.ctx, compactedKey)
	if err == nil && !begun {
		var none []byte
		if none, err = json.Marshal(compactedDeltas{}); err == nil {
			err = m.inOne(func(txn ds.Txn) error { return txn.Put(m.ctx, compactedKey, none) })
		}
	}
	if err != nil {
		return fmt.Errorf("note that names are kept: %w", err)
	}
	m.history.begun.Store(true)
	return nil
}

// moveNames moves the names below a key to those of what was compacted. A name is here in one place or
// the other at any moment.
func (m *Map) moveNames(under string) error {
	var step []query.Entry
	move := func() error {
		began := time.Now()
		err := m.inOne(func(txn ds.Txn) error {
			for _, e := range step {
				if err := m.moveName(txn, e, e.Key[len(under):]); err != nil {
					return err
				}
			}
			return nil
		})
		step = step[:0]
		if err != nil {
			return fmt.Errorf("move the names of a state: %w", err)
		}
		return pauseFor(m.ctx, time.Since(began)) // others want the disk, too
	}
	err := m.scan(under, "", false, func(e query.Entry) error {
		if step = append(step, e); len(step) < maxStep {
			return nil
		}
		return move()
	})
	if err != nil || len(step) == 0 {
		return err
	}
	return move()
}

// moveName moves one name. That of a delta that is merged here goes there when the delta is dropped.
func (m *Map) moveName(txn ds.Txn, e query.Entry, id string) error {
	merged, err := m.cfg.Store.Has(m.ctx, dsKey(knownKey.String()+id))
	if err != nil {
		return err
	}
	if !merged {
		name, err := bygoneName(id)
		if err != nil {
			return err
		}
		if err := txn.Put(m.ctx, name, e.Value); err != nil {
			return err
		}
	}
	return txn.Delete(m.ctx, dsKey(e.Key))
}

// dropUnmerged deletes the blocks of deltas that came before a state, and were never merged: since then
// they are known by name, and nobody reads them.
func (m *Map) dropUnmerged() error {
	blocks := blockKey.String()
	return m.inSteps(blocks, func(e query.Entry) ([]ds.Key, error) {
		id := e.Key[len(blocks):]
		// In this order: what becomes a part of the map meanwhile, with its name, is merged by then.
		_, named, err := m.named(id)
		if err != nil || !named {
			return nil, err
		}
		merged, err := m.cfg.Store.Has(m.ctx, dsKey(knownKey.String()+id))
		if err != nil || merged {
			return nil, err
		}
		return []ds.Key{dsKey(e.Key), signedOf(id)}, nil
	})
}

// dropLabel forgets a label below which there is nothing any more.
func (m *Map) dropLabel(label string) error {
	m.lock.Lock()
	defer m.lock.Unlock()
	if err := m.mend(); err != nil {
		return err
	}
	left := m.behindCut.Load().without(label)
	err := m.inOne(func(txn ds.Txn) error {
		if left == nil {
			return txn.Delete(m.ctx, cutKey)
		}
		return txn.Put(m.ctx, cutKey, []byte(strings.Join(left.labels, ",")))
	})
	if err != nil {
		return fmt.Errorf("forget the label of a state: %w", err)
	}
	m.behindCut.Store(left)
	return nil
}

// without is the same and one less; nil: none is left.
func (n *namesBehind) without(label string) *namesBehind {
	left := slices.DeleteFunc(slices.Clone(n.all()), func(l string) bool { return l == label })
	if len(left) == 0 {
		return nil
	}
	return &namesBehind{left}
}
