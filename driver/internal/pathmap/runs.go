package pathmap

import (
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// Two registries that run with one peer ID, because a datastore or a key was copied, do not
// hear each other. Other members hear both: with each question for heads a registry sends a
// random text, which names its run. A registry that was started again has a new run, and its
// old one is no longer heard. Of two registries that run at the same time both runs are
// heard, in turn.

// All times are in intervals between comparisons of heads, a second each.
const (
	runsKept   = 300 // a run that has not been heard for this long is forgotten
	twinGone   = 60  // when the other of two runs has not been heard for this long, it is gone
	twinHold   = 15  // for how long what a member said about a twin holds
	vouchQuiet = 10  // for how long after another run of a peer nothing is said about its writes
)

// twinReturns is how often a run has to be heard again after another one. A question that
// was on its way when a registry was killed may come late, but only once.
const twinReturns = 3

// runs are the runs of the members that have asked this registry.
type runs struct {
	mu sync.Mutex
	of map[peer.ID]*runsOf
}

type runsOf struct {
	last    string
	heard   map[string]time.Time
	returns []time.Time
	twice   time.Time // when it was last seen to run twice
}

// hear notes that a member asked in a run. twin means that the member runs twice; fresh means
// that no other run of it was heard lately.
func (r *runs) hear(id peer.ID, run string, now time.Time, interval time.Duration) (twin, fresh bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.of == nil {
		r.of = map[peer.ID]*runsOf{}
	}
	o := r.of[id]
	if o == nil {
		o = &runsOf{heard: map[string]time.Time{}}
		r.of[id] = o
	}
	o.forget(now.Add(-runsKept * interval))
	if _, again := o.heard[run]; again && o.last != run {
		o.returns = append(o.returns, now)
	}
	o.last, o.heard[run] = run, now
	fresh = true
	for other, at := range o.heard {
		if other == run {
			continue
		}
		fresh = fresh && now.Sub(at) > vouchQuiet*interval
		twin = twin || len(o.returns) >= twinReturns && now.Sub(at) < twinGone*interval
	}
	if twin {
		o.twice = now
	}
	return twin, fresh
}

// twice are the peers of which two runs have been heard lately, in turn.
func (r *runs) twice(now time.Time, interval time.Duration) (ids []peer.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, o := range r.of {
		if !o.twice.IsZero() && now.Sub(o.twice) < twinHold*interval {
			ids = append(ids, id)
		}
	}
	return ids
}

func (o *runsOf) forget(before time.Time) {
	for run, at := range o.heard {
		if at.Before(before) || len(o.heard) > 64 && run != o.last {
			delete(o.heard, run)
		}
	}
	for len(o.returns) > 0 && (o.returns[0].Before(before) || len(o.returns) > twinReturns) {
		o.returns = o.returns[1:]
	}
}

// twin is what members said about another registry that runs with this one's peer ID.
type twin struct {
	mu    sync.Mutex
	told  time.Time
	since time.Time // zero: there is none
}

// Twin returns since when another registry has been running with this one's peer ID,
// according to members or to SawTwin; false when none does.
func (m *Map) Twin() (since time.Time, ok bool) {
	m.twin.mu.Lock()
	defer m.twin.mu.Unlock()
	return m.twin.since, !m.twin.since.IsZero()
}

// Twins are the members that run twice, as far as this registry hears: two registries that have
// one peer ID.
func (m *Map) Twins() []peer.ID { return m.runs.twice(time.Now(), m.cfg.ExchangeInterval) }

// SawTwin notes that another registry runs with this one's peer ID.
func (m *Map) SawTwin() {
	m.twin.mu.Lock()
	defer m.twin.mu.Unlock()
	m.twin.told = time.Now()
	if !m.twin.since.IsZero() {
		return
	}
	m.twin.since = m.twin.told
	m.log.Error("another registry runs with this registry's peer ID, from a copy of its datastore or of its key: " +
		"both refuse pushes; stop one of them, and start it again on a datastore of its own, without this privatekey")
}

// checkTwin notes when the other registry has been gone for a while.
func (m *Map) checkTwin() {
	m.twin.mu.Lock()
	defer m.twin.mu.Unlock()
	if m.twin.since.IsZero() || time.Since(m.twin.told) < twinHold*m.cfg.ExchangeInterval {
		return
	}
	m.twin.since = time.Time{}
	m.log.Info("the other registry with this registry's peer ID is gone: pushes are accepted again")
}
