package pathmap

import (
	"sync"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
)

// lagging are the members that named changes which are not merged here, and since when. It is
// ready to use.
type lagging struct {
	mu    sync.Mutex
	since map[peer.ID]time.Time
}

// lacks notes that a member named something that is not here.
func (l *lagging) lacks(id peer.ID, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.since == nil {
		l.since = map[peer.ID]time.Time{}
	}
	if _, already := l.since[id]; !already {
		l.since[id] = now
	}
}

// hasAll notes that all that a member named is here. One that named nothing has not said what it
// has: that takes nothing back.
func (l *lagging) hasAll(id peer.ID, named []cid.Cid) {
	if len(named) == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.since, id)
}

// of is since when changes that a member named have been missing.
func (l *lagging) of(id peer.ID) (since time.Time, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	since, ok = l.since[id]
	return since, ok
}

func (l *lagging) forget(here []peer.ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	forgetBut(l.since, here)
}

// BehindSince is since when this map has lacked changes that a trusted member named which is
// connected now; of several members the earliest. It is false while none is known to have more:
// for a moment after each write elsewhere there is one.
func (m *Map) BehindSince() (since time.Time, ok bool) {
	if m.cfg.Swarm == nil {
		return time.Time{}, false
	}
	here := m.trusted()
	m.lagging.mu.Lock()
	defer m.lagging.mu.Unlock()
	for _, id := range here {
		if t, lags := m.lagging.since[id]; lags && (!ok || t.Before(since)) {
			since, ok = t, true
		}
	}
	return since, ok
}
