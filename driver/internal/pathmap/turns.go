package pathmap

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
)

const (
	maxTurns  = 4               // members read from at once
	window    = time.Second     // over which a rate is measured
	enough    = 1 << 20         // bytes a second at which a member is not left for one that may be faster
	turnCheck = window / 10     // how often a waiting exchange checks whether it may take over
	staleDial = stallLimit / 2  // after which a connection that was idle is replaced
	forget    = time.Minute     // after which a rate is no longer believed
	unheard   = math.MaxFloat64 // the rate of a member that was not measured lately: it is tried
)

// errOvertaken reports that a member was left for one that is faster, or may be.
var errOvertaken = errors.New("another member is read from first")

// turns decides from which members deltas are read now. Deltas that several members have are
// read from one of them at a time, the fastest as far as is known. A history is read from one
// member alone; single deltas that follow what is here are read from several members at once.
type turns struct {
	mu      sync.Mutex
	holding []*turn
	waiting []*turn
	rates   map[peer.ID]measured
}

// measured is how fast a member was, and when.
type measured struct {
	rate float64 // bytes of deltas a second
	at   time.Time
}

// turn is the permission to read from one member.
type turn struct {
	of      *turns
	id      peer.ID
	heads   []cid.Cid
	whole   bool
	granted chan struct{}
	failed  bool            // to read; set by its holder
	ctx     context.Context // ends when the turn is over or is taken away
	cancel  context.CancelCauseFunc
	meter
}

// take waits for a turn. It takes the turn away from a member that is slower, or silent.
func (s *turns) take(ctx context.Context, id peer.ID, heads []cid.Cid, whole bool) (*turn, error) {
	t := &turn{of: s, id: id, heads: heads, whole: whole, granted: make(chan struct{})}
	t.ctx, t.cancel = context.WithCancelCause(ctx)
	s.mu.Lock()
	s.waiting = append(s.waiting, t)
	s.grant()
	s.mu.Unlock()
	check := time.NewTicker(turnCheck)
	defer check.Stop()
	for {
		select {
		case <-t.granted:
			return t, nil
		case <-ctx.Done():
			t.end()
			return nil, ctx.Err()
		case <-check.C:
			s.mu.Lock()
			s.overtake(t)
			s.mu.Unlock()
		}
	}
}

// end gives a turn back, or leaves the queue. A member that could not be read from is one that
// sends nothing: as one that was not measured it would take the turn from others again at once.
func (t *turn) end() {
	t.cancel(nil)
	s := t.of
	s.mu.Lock()
	defer s.mu.Unlock()
	if rate, ok := t.final(errors.Is(context.Cause(t.ctx), errOvertaken)); ok || t.failed {
		if s.rates == nil {
			s.rates = map[peer.ID]measured{}
		}
		s.rates[t.id] = measured{rate, time.Now()}
	}
	s.holding = slices.DeleteFunc(s.holding, func(o *turn) bool { return o == t })
	s.waiting = slices.DeleteFunc(s.waiting, func(o *turn) bool { return o == t })
	s.grant()
}

// grant gives turns to the waiting exchanges that can have one, the fastest first; mu is held.
func (s *turns) grant() {
	slices.SortStableFunc(s.waiting, func(a, b *turn) int { return cmp.Compare(s.rateOf(b), s.rateOf(a)) })
	var left []*turn
	for _, t := range s.waiting {
		hinders := func(o *turn) bool { return t.excludes(o) }
		if len(s.holding) >= maxTurns || slices.ContainsFunc(s.holding, hinders) || slices.ContainsFunc(left, hinders) {
			left = append(left, t)
			continue
		}
		s.holding = append(s.holding, t)
		close(t.granted)
	}
	s.waiting = left
}

// excludes reports whether two exchanges would read the same deltas, or from the same member.
func (t *turn) excludes(o *turn) bool {
	return t.whole || o.whole || t.id == o.id ||
		slices.ContainsFunc(t.heads, func(h cid.Cid) bool { return slices.Contains(o.heads, h) })
}

// overtake takes turns away from members that keep a faster one waiting; mu is held.
func (s *turns) overtake(t *turn) {
	for _, h := range s.holding {
		if h.id == t.id || len(s.holding) < maxTurns && !t.excludes(h) {
			continue
		}
		now, known := h.rate(time.Now())
		if before := s.rateOf(h); !known && before != unheard && h.reading() {
			now, known = before, true
		}
		mine := s.rateOf(t)
		if known && (mine == unheard && now < enough || mine != unheard && mine > 2*now) {
			h.cancel(errOvertaken)
		}
	}
}

func (s *turns) rateOf(t *turn) float64 {
	if m, ok := s.rates[t.id]; ok && time.Since(m.at) < forget {
		return m.rate
	}
	return unheard
}

// meter measures how fast deltas come, in the time that is spent waiting for them.
type meter struct {
	mu          sync.Mutex
	since       time.Time // when it began to wait; zero: it does not
	waited      time.Duration
	bytes       int64
	markedWait  time.Duration
	markedBytes int64
	last        float64
	measured    bool
}

// wait begins a measurement, and the function it returns ends it.
func (m *meter) wait() (end func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.since = time.Now()
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.waited += time.Since(m.since)
		m.since = time.Time{}
	}
}

// got counts received bytes that were wanted.
func (m *meter) got(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.bytes += int64(n)
}

func (m *meter) reading() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return !m.since.IsZero()
}

// rate is the rate over the last whole window; false before there was one.
func (m *meter) rate(now time.Time) (bytesPerSecond float64, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	waited := m.waited
	if !m.since.IsZero() {
		waited += now.Sub(m.since)
	}
	if past := waited - m.markedWait; past >= window {
		m.last = float64(m.bytes-m.markedBytes) / past.Seconds()
		m.markedWait, m.markedBytes, m.measured = waited, m.bytes, true
	}
	return m.last, m.measured
}

// final is the rate at the end; false when too little was read to tell. Of a member that was
// overtaken it is the rate for which it was: it would take the turn back at once if it was
// remembered for better times, and two that are both slow now would take it from each other for
// ever.
func (m *meter) final(overtaken bool) (bytesPerSecond float64, ok bool) {
	rate, ok := m.rate(time.Now())
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.bytes >= 64<<10 && (!overtaken || !ok) {
		return max(rate, float64(m.bytes)/m.waited.Seconds()), true
	}
	return rate, ok
}
