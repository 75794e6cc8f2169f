package pathmap

import (
	"context"
	"errors"
	"fmt"
	"strings"

	ds "github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"
)

// read builds the ordered map from the CRDT's live keys.
func (m *Map) read(ctx context.Context) (*snapshot, error) {
	taking, err := m.cfg.Store.Has(ctx, takingKey)
	if err != nil {
		return nil, fmt.Errorf("load path map: %w", err)
	}
	snap := newSnapshot()
	if taking {
		err = m.loadMerged(ctx, snap)
	} else {
		err = m.loadLive(ctx, snap)
	}
	if err == nil {
		err = m.withoutDropped(snap)
	}
	return snap, err
}

func (m *Map) loadLive(ctx context.Context, snap *snapshot) error {
	for _, namespace := range []string{settingNamespace, pathNamespace} {
		if err := m.loadKeys(ctx, snap, namespace); err != nil {
			return fmt.Errorf("load path map: %w", err)
		}
	}
	return nil
}

func (m *Map) loadKeys(ctx context.Context, snap *snapshot, namespace string) error {
	res, err := m.cfg.Store.Query(ctx, query.Query{Prefix: liveKeys + namespace})
	if err != nil {
		return err
	}
	defer func() { _ = res.Close() }()
	for r := range res.Next() {
		if r.Error != nil {
			return r.Error
		}
		m.loadVersion(snap, r.Key, r.Value)
	}
	return nil
}

func (m *Map) loadVersion(snap *snapshot, key string, value []byte) {
	if path, v, ok := liveVersion(key); ok {
		snap.set(path, v, value)
		m.counter = max(m.counter, v.counter)
	}
}

// loadMerged leaves out the versions of a state that is not whole: they were added by deltas that
// are not merged here.
func (m *Map) loadMerged(ctx context.Context, snap *snapshot) error {
	return m.scan(elemKeys, "", true, func(e query.Entry) error {
		key, id := splitPlace(e.Key[len(elemKeys):])
		_, merged, err := m.knownID(id)
		if err != nil || !merged {
			return err
		}
		live := liveKeys + strings.Clone(key) + "/v"
		value, err := m.cfg.Store.Get(ctx, dsKey(live))
		if errors.Is(err, ds.ErrNotFound) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("load path map: %w", err)
		}
		m.loadVersion(snap, live, value)
		return nil
	})
}

// tidyStates removes what states left that did not become whole. A registry that began with nothing
// keeps their versions, and takes them up again.
func (m *Map) tidyStates() error {
	taking, err := m.cfg.Store.Has(m.ctx, takingKey)
	if err != nil {
		return fmt.Errorf("load path map: %w", err)
	}
	m.taken.begun = taking
	// What is left of states that did not become this map's goes before another one can come.
	for _, below := range []ds.Key{behindKey, dropKey} {
		labels, serr := m.strangers(below)
		err = errors.Join(err, serr)
		for _, label := range labels {
			err = errors.Join(err, m.forgetState(label))
		}
	}
	m.lock.Lock()
	defer m.lock.Unlock()
	if err == nil && taking && !m.newcomer {
		err = m.clearStaged(nil, "", "")
		if err == nil {
			err = m.deleteAll([]ds.Key{takingKey})
		}
	}
	if err != nil {
		return fmt.Errorf("remove what is left of a state: %w", err)
	}
	return nil
}

func (m *Map) logDrop(err error) {
	if err != nil && m.ctx.Err() == nil {
		m.log.WithError(err).Debug("what is left of a state cannot be removed: it is tried again")
	}
}
