package pathmap

import (
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// maxGone is of how many members that are gone each thing is remembered that matters only while
// they are there. Whoever has the protector key can come and go under any number of names.
const maxGone = 256

// forgetGone drops what is known of members beyond those that are here.
func (m *Map) forgetGone(here []peer.ID) {
	m.unanswered.only(here)
	m.firstHeads.forget(here)
	m.last.forget(here)
	m.refused.forget(here)
	m.lagging.forget(here)
	m.taken.forget(here)
	m.turns.forget(time.Now())
	m.runs.forget(time.Now().Add(-runsKept * m.cfg.ExchangeInterval))
}

// forgetBut deletes entries of those that are gone, while there are more than maxGone in all
// beside those that are here.
func forgetBut[V any](of map[peer.ID]V, here []peer.ID) {
	for id := range of {
		if len(of) <= maxGone+len(here) {
			return
		}
		if !slices.Contains(here, id) {
			delete(of, id)
		}
	}
}

func (m *firstHeads) forget(here []peer.ID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	forgetBut(m.pending, here)
}

func (r *refusals) forget(here []peer.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	forgetBut(r.of, here)
}

// forget drops the announcements of members that are gone: their deltas are merged with those of
// the members that have them.
func (l *lastDeltas) forget(here []peer.ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	forgetBut(l.announced, here)
}

// forget drops rates that are not believed any more.
func (s *turns) forget(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, m := range s.rates {
		if now.Sub(m.at) >= forget {
			delete(s.rates, id)
		}
	}
}

// forget drops members that have not asked since some moment.
func (r *runs) forget(before time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, o := range r.of {
		if o.forget(before); len(o.heard) == 0 {
			delete(r.of, id)
		}
	}
}
