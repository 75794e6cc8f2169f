package pathmap

import (
	"errors"
	"fmt"
	"strings"

	ds "github.com/ipfs/go-datastore"
)

// failure is a transaction that failed. How much of it is on disk is not known yet.
type failure struct {
	cause error
	keys  []string // that the transaction wrote
	whole bool     // all is read again
	label string   // of the state that the transaction was to make a part of the map; "": none
}

// fail handles a failed transaction, and returns its cause. The map that readers see was
// not changed by it. go-ds-crdt holds heads and pending changes in memory that may not be
// on disk, so it is closed here, and opened again from disk now or before the next
// transaction. lock is held.
func (m *Map) fail(cause error) error {
	m.feed.take()
	if err := m.crdt.Load().Close(); err != nil { // it must be at rest before the transaction is discarded
		cause = errors.Join(cause, err)
	}
	m.feed.finish()
	m.broken = &failure{cause: cause, keys: m.ledger.written(), whole: m.adopting != "", label: m.adopting}
	m.ledger.discard(m.ctx)
	if err := m.mend(); err != nil {
		m.log.WithError(err).Debug("the path map takes no changes yet")
	}
	return cause
}

// mend brings memory in step with the disk after a failed transaction, and reports whether
// that succeeded; it is tried again before each transaction until it does. A failed commit
// may be on disk nevertheless, but nothing else changed, so only what it wrote is read again.
// First a write has to succeed, which shows that the datastore has dealt with the failure.
// lock is held.
func (m *Map) mend() error {
	if m.broken == nil {
		return nil
	}
	if err := m.saveCounter(); err != nil {
		return fmt.Errorf("the path map waits for its datastore: %w", err)
	}
	if m.broken.whole {
		return m.mendWhole()
	}
	snap := m.current.Load().clone()
	var paths []string
	for _, key := range m.broken.keys {
		if err := m.reread(snap, key); err != nil {
			return fmt.Errorf("read what a failed write left: %w", err)
		}
		if path, _, ok := liveVersion(key); ok {
			paths = append(paths, path)
		}
	}
	if err := m.withoutDropped(snap); err != nil {
		return err
	}
	if err := m.openCRDT(); err != nil {
		return err
	}
	m.broken = nil
	m.tellNamed(snap, paths)
	m.publish(snap)
	return nil
}

// mendWhole is mend after the transaction that makes a state a part of the map.
func (m *Map) mendWhole() error {
	if err := m.loadCut(); err != nil {
		return err
	}
	snap, err := m.read(m.ctx)
	if err != nil {
		return err
	}
	if err := m.openCRDT(); err != nil {
		return err
	}
	label := m.broken.label
	here := m.behindCut.Load().has(label)
	if here { // nothing is left of it to go on with
		m.taken.stale.Store(true)
		m.written.took()
		m.reached.Store(0)
	}
	m.broken = nil
	m.publishWhole(snap)
	if !here {
		m.run(func() { m.logDrop(m.forgetState(label)) })
	}
	m.run(m.absorb)
	return nil
}

// reread brings a snapshot up to date with one key of the datastore, if it is the value of
// a version.
func (m *Map) reread(snap *snapshot, key string) error {
	path, v, ok := liveVersion(key)
	if !ok {
		return nil
	}
	value, err := m.ledger.Get(m.ctx, ds.RawKey(key))
	switch {
	case errors.Is(err, ds.ErrNotFound):
		snap.remove(path, v)
	case err != nil:
		return err
	default:
		snap.set(path, v, value)
		m.counter = max(m.counter, v.counter)
	}
	return nil
}

// liveKeys is where the CRDT keeps the keys that are alive: below it /<key>/v is the value of
// one, next to its priority.
var liveKeys = crdtKey.ChildString("s").ChildString("k").String()

// liveVersion reads which version of which path a key of the datastore holds the value of.
func liveVersion(key string) (path string, v version, ok bool) {
	rest, under := strings.CutPrefix(key, liveKeys)
	name, value := strings.CutSuffix(rest, "/v")
	if !under || !value {
		return "", v, false
	}
	path, v, ours, err := parseKey(name)
	return path, v, ours && err == nil
}
