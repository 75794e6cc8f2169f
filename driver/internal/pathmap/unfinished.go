package pathmap

import (
	"bytes"
	"errors"
	"fmt"

	ds "github.com/ipfs/go-datastore"
)

// unfinishedKey is there while a registry that began with nothing has a part of the others'
// history: from the first delta of it, or of its own that it writes while it joins, until this
// registry has caught up with one of them. A restart in between does not make the part a whole,
// neither to this registry nor to others that join by way of it. Its value is ofOthers when there
// is something of the others in it.
var (
	unfinishedKey = ds.NewKey("/paths/unfinished")
	ofOthers      = []byte("of others")
)

// loadUnfinished tells whether this registry began with nothing, in this run or in an earlier
// one that ended before it had caught up.
func (m *Map) loadUnfinished() error {
	what, err := m.ledger.Get(m.ctx, unfinishedKey)
	has := err == nil
	if err != nil && !errors.Is(err, ds.ErrNotFound) {
		return fmt.Errorf("load path map: %w", err)
	}
	m.unfinished.Store(has)
	m.part.Store(bytes.Equal(what, ofOthers))
	m.newcomer = has || len(m.Heads()) == 0
	return nil
}

// Part reports whether this registry began with nothing, has merged something of the others', and
// has caught up with none of them: it lacks what they had before it came, and its tags may be any
// that there ever were.
func (m *Map) Part() bool { return m.part.Load() && !m.firstHeads.caught.happened() }

// noteUnfinished stores that what is being merged, or written, is a part. It is called inside the
// transaction of the deltas; m.lock is held.
func (m *Map) noteUnfinished(others bool) error {
	if !m.newcomer || m.firstHeads.caught.happened() {
		return nil
	}
	m.unfinished.Store(true)
	var what []byte
	if others || m.part.Load() {
		m.part.Store(true)
		what = ofOthers
	}
	if err := m.ledger.Put(m.ctx, unfinishedKey, what); err != nil {
		return fmt.Errorf("note that the history is not whole yet: %w", err)
	}
	return nil
}

// caughtUp notes that all heads that some member named are merged. When that cannot be stored,
// this registry begins its next run as one that has not caught up, which costs a moment then.
func (m *Map) caughtUp() {
	m.firstHeads.caughtUp()
	if !m.unfinished.Load() {
		return
	}
	m.lock.Lock()
	defer m.lock.Unlock()
	if !m.unfinished.Load() {
		return
	}
	err := m.ledger.begin(m.ctx)
	if err == nil {
		if err = m.ledger.Delete(m.ctx, unfinishedKey); err != nil {
			m.ledger.discard(m.ctx)
		} else {
			err = m.ledger.commit(m.ctx)
		}
	}
	if err != nil && !errors.Is(err, m.ctx.Err()) {
		m.log.WithError(err).Debug("cannot store that the history is whole")
	}
	m.unfinished.Store(err != nil)
}
