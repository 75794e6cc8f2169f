package pathmap

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
)

// firstHeads is what this map has heard from trusted members since it was opened, and whether
// it has caught up with one of them, which means that all heads that the member named at some
// moment since then are merged.
type firstHeads struct {
	opened time.Time
	named  atomic.Bool  // a member has named its heads
	last   atomic.Int64 // when one answered last, since opened
	met    signal
	told   signal // a member has told the greatest counter that it has seen
	caught signal

	mu      sync.Mutex
	pending map[peer.ID][]cid.Cid // the heads that each named first and that were not merged then
}

// signal is an event that happens once.
type signal struct {
	once sync.Once
	c    chan struct{}
}

func newSignal() signal { return signal{c: make(chan struct{})} }

func (s *signal) happen() { s.once.Do(func() { close(s.c) }) }

func (s *signal) happened() bool {
	select {
	case <-s.c:
		return true
	default:
		return false
	}
}

func newFirstHeads() *firstHeads {
	return &firstHeads{
		opened: time.Now(), met: newSignal(), told: newSignal(), caught: newSignal(),
		pending: map[peer.ID][]cid.Cid{},
	}
}

// answered notes that a member answered just now, with heads or with deltas, or that this
// registry has just done its part with what one answered: that takes it a while, and is no
// silence.
func (m *firstHeads) answered() { m.last.Store(int64(time.Since(m.opened))) }

// await remembers the heads that have to be merged before this map has caught up with the
// member that named them. They are the first that it named, since a member may name newer
// heads faster than they come.
func (m *firstHeads) await(id peer.ID, heads []cid.Cid) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.pending[id]; !ok && m.pending != nil {
		m.pending[id] = heads
	}
}

// owes reports whether one of these members has named heads that are not merged yet.
func (m *firstHeads) owes(ids []peer.ID) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.ContainsFunc(ids, func(id peer.ID) bool { _, ok := m.pending[id]; return ok })
}

func (m *firstHeads) awaited(id peer.ID) (heads []cid.Cid, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	heads, ok = m.pending[id]
	return heads, ok
}

func (m *firstHeads) caughtUp() {
	m.told.happen() // the counters are merged with the history
	m.caught.happen()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pending = nil
}

// noteMerged checks whether the heads that a member named are merged by now.
func (m *Map) noteMerged(id peer.ID) {
	heads, ok := m.firstHeads.awaited(id)
	if !ok {
		return
	}
	if unknown, err := m.unknownHeads(heads); err == nil && len(unknown) == 0 {
		m.caughtUp()
	}
}

// await is firstHeads.await, unless catching up with the member would mean nothing.
func (x *exchange) await(heads []cid.Cid) {
	if !x.behind {
		x.m.firstHeads.await(x.id, heads)
	}
}

// caughtUp notes that all heads that the member named are merged.
func (x *exchange) caughtUp() {
	if !x.behind {
		x.m.caughtUp()
	}
}

// Joining says whether this registry is joining a swarm that others are in.
func (m *Map) Joining(joining bool) { m.joining.Store(joining) }

// behind reports whether this map lacks a part of the history, as far as it knows, so that
// others that join do not take it for all there is. Until it has caught up it lacks a part
// when it began with nothing and is still joining, or when a connected member named more.
func (m *Map) behind() bool {
	if m.firstHeads.caught.happened() {
		return false
	}
	return m.isPart() || m.firstHeads.owes(slices.DeleteFunc(m.trusted(), m.isRefused))
}

// isPart reports whether this map has only a part of the history: it began with nothing, and is still
// joining.
func (m *Map) isPart() bool {
	return m.joining.Load() && m.newcomer && !m.firstHeads.caught.happened()
}

// Expects reports whether a connected member has not named its heads yet, or has named heads of
// which this registry lacks something. One that lacks a part itself, and said so, is not waited for.
func (m *Map) Expects() bool {
	return slices.ContainsFunc(m.trusted(), func(id peer.ID) bool {
		return !m.isRefused(id) && (!m.unanswered.knows(id) || m.firstHeads.owes([]peer.ID{id}))
	})
}

// Met is closed when the first trusted member since Open has named its heads, and those
// that are unknown here are being fetched.
func (m *Map) Met() <-chan struct{} { return m.firstHeads.met.c }

// CaughtUp is closed when all heads that some trusted member named since Open are merged:
// this map then shows everything that the member's map showed at that moment.
func (m *Map) CaughtUp() <-chan struct{} { return m.firstHeads.caught.c }

// Told is closed when a write here is sure to have a greater version than all that some
// trusted member had seen at a moment since Open: once that member has told its greatest
// counter, or with CaughtUp.
func (m *Map) Told() <-chan struct{} { return m.firstHeads.told.c }

// LastAnswer is when a trusted member, other than a refused one, last answered a question of
// this map; false when none has since Open.
func (m *Map) LastAnswer() (time.Time, bool) {
	since := m.firstHeads.last.Load()
	return m.firstHeads.opened.Add(time.Duration(since)), since > 0
}
