package pathmap

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ipfs/go-cid"
	ds "github.com/ipfs/go-datastore"
)

func appendUvarint(v uint64) []byte { return binary.AppendUvarint(nil, v) }

// adopt makes a state that came, and adds up, a part of the map: in one transaction its deltas
// become known, and its heads heads. What is here is a set without tombstones on both sides: a
// version that one side has and the other one has not was deleted there if the delta that added it is
// in the past of that side, and never was there if it is not.
func (m *Map) adopt(k *taking) error {
	m.lock.Lock()
	defer m.lock.Unlock()
	if err := m.mend(); err != nil {
		return err
	}
	if m.taken.stale.Load() {
		return fmt.Errorf("%w: changes came from elsewhere meanwhile", errProtocol) // whoever has the turn merges alone
	}
	snap := m.mixed(k)
	before, after, err := m.headsWith(k)
	if err != nil {
		return err
	}
	if err := m.ledger.begin(m.ctx); err != nil {
		return err
	}
	k.adopted, m.adopting = true, k.label
	defer func() { m.adopting = "" }()
	err = m.putState(k, before, after)
	if err == nil {
		err = m.ledger.commit(m.ctx)
	}
	if err == nil {
		m.showState(k, snap)
		return nil
	}
	err = fmt.Errorf("%w: %w", errNotStored, m.fail(err))
	if m.behindCut.Load().has(k.label) {
		return nil // it is on disk, as mend found
	}
	return err
}

// mixed is the map with the state, without what was deleted at the member.
func (m *Map) mixed(k *taking) *snapshot {
	snap := m.taken.staged.clone()
	m.current.Load().each(func(a at) {
		v := stateVersion{key: keyOf(a.path, a.version).String()}
		if _, gone := k.gone[v.mark()]; !gone {
			snap.set(a.path, a.version, []byte(a.value()))
		}
	})
	return snap
}

// addedBy is the ID of the delta that added a live version.
func (m *Map) addedBy(key string) (id string, err error) {
	ids, err := m.wroteIt(m.cfg.Store, key)
	if err == nil && len(ids) != 1 {
		err = fmt.Errorf("%w that can be taken: %d changes wrote %q", errGivesNone, len(ids), clip(key))
	}
	if err != nil {
		return "", err
	}
	return ids[0], nil
}

// headsWith are the heads that are here, and those that there are with the state: of each side those
// that are not in the past of the other one, and those of both.
func (m *Map) headsWith(k *taking) (before, after []cid.Cid, err error) {
	before = m.liveHeads()
	for _, h := range before {
		_, past, err := m.priorityOf(k.nameKey(idOf(h)))
		if err != nil {
			return nil, nil, err
		}
		if !past || slices.Contains(k.head.Heads, h) {
			after = append(after, h)
		}
	}
	for _, h := range k.head.Heads {
		_, past, err := m.known(h)
		if err != nil {
			return nil, nil, err
		}
		if !past {
			after = append(after, h)
		}
	}
	return before, after, nil
}

// putState writes what makes the state whole, inside the transaction.
func (m *Map) putState(k *taking, before, after []cid.Cid) error {
	for _, d := range k.blocks {
		if _, already, err := m.known(d.cid); err != nil || already {
			if err != nil {
				return err
			}
			continue // cuts that are open have its name, and are to keep it
		}
		err := errors.Join(m.blocks.Put(m.ctx, d.block), m.setKnown(d.cid, d.priority), m.putSignature(d.cid, d.signature), m.ledger.Put(m.ctx, processedKey(idOf(d.cid)), nil))
		if err != nil {
			return err
		}
	}
	for _, h := range before {
		if slices.Contains(after, h) {
			continue
		}
		if err := m.ledger.Delete(m.ctx, dsKey(headKeys+idOf(h))); err != nil {
			return err
		}
	}
	for _, h := range after {
		priority, ok, err := m.known(h)
		if err == nil && !ok {
			err = fmt.Errorf("head %s: %w", h, ErrNotHere)
		}
		if err == nil {
			err = m.ledger.Put(m.ctx, dsKey(headKeys+idOf(h)), appendUvarint(priority))
		}
		if err != nil {
			return err
		}
	}
	m.counter = max(m.counter, k.head.Counter)
	return errors.Join(m.saveCounter(), m.written.take(m, k.head),
		m.ledger.Put(m.ctx, cutKey, []byte(strings.Join(m.behindCut.Load().with(k.label).labels, ","))), m.ledger.Delete(m.ctx, takingKey))
}

// showState lets readers see a state that is on disk. What it cannot do now, mend does before
// anything else is done.
func (m *Map) showState(k *taking, snap *snapshot) {
	m.behindCut.Store(m.behindCut.Load().with(k.label))
	m.reached.Store(0)
	m.feed.take()
	if err := m.crdt.Load().Close(); err != nil {
		m.log.WithError(err).Debug("the CRDT did not close cleanly before a state")
	}
	m.feed.finish()
	if err := m.openCRDT(); err != nil {
		m.broken = &failure{cause: err, whole: true, label: k.label}
		return
	}
	m.written.took()
	for writer := range k.head.Written {
		m.last.note(writer)
	}
	m.publishWhole(snap)
	m.run(m.absorb)
}

// publishWhole is publish, with all that follows from paths that are new here.
func (m *Map) publishWhole(snap *snapshot) {
	snap.sift()
	before := m.current.Load()
	snap.eachNew(before, func(paths []string) { m.tellNamed(snap, paths) })
	m.publish(snap)
	if m.cfg.OnAdded != nil {
		snap.eachNew(before, m.cfg.OnAdded)
	}
}

// eachNew calls f with the paths that have other versions than before, some at once.
func (s *snapshot) eachNew(before *snapshot, f func(paths []string)) {
	var some []string
	s.paths.Scan(func(key string, p packed) bool {
		old, _ := before.paths.Get(key)
		if len(old) > 0 && slices.Equal(before.unpackAll(key, old), s.unpackAll(key, p)) {
			return true
		}
		if some = append(some, pathOf(key)); len(some) == scanned {
			f(some)
			some = nil
		}
		return true
	})
	if len(some) > 0 {
		f(some)
	}
}

// take notes the writers of a state, inside the transaction: each with no less than the greatest
// counter of its versions, and with no more than the counter of the state. What a damaged member says beyond
// that would have all who take it think that they have what a writer has still to write.
func (w *written) take(m *Map, head stateHead) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.earlier = max(w.earlier, min(head.Earlier, head.Counter))
	all := maps.Clone(w.of)
	for id, counter := range head.Written {
		all[id] = max(all[id], min(counter, head.Counter))
	}
	for id, counter := range all {
		key := ds.RawKey(writtenKey.String() + "/" + id)
		if err := m.ledger.Put(m.ctx, key, appendUvarint(counter)); err != nil {
			return err
		}
	}
	w.of = all
	return m.ledger.Put(m.ctx, earlierKey, appendUvarint(w.earlier))
}

// took notes that readers see what take stored.
func (w *written) took() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.merged, w.stored = maps.Clone(w.of), true
}
