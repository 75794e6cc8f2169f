package transfer

import (
	"slices"
	"sync"
	"time"
)

// seats is how many orders all transfers of a registry carry out at once. Each has one
// connection and a leaf of memory, and is bound by this machine rather than by a link: more
// of them take turns on its processors, and break off connections to make new ones.
const seats = 12

// patience is after what time a transfer that has no seat gets one even if it is not its
// turn, or none is free: over slow links, they may be taken for minutes. Transfers that have
// waited for so long get theirs one after the other, in such intervals.
const patience = 250 * time.Millisecond

// crew shares the workers of a registry among its transfers: whoever has the fewest comes
// first, and of two that have as many the one whose reader waits. It is safe for concurrent
// use.
type crew struct {
	mu      sync.Mutex
	free    int       // negative when seats were taken that were not free
	over    time.Time // when a seat was last taken out of turn
	waiting []*claim
}

// claim is the part that one transfer has in a crew.
type claim struct {
	crew   *crew
	wake   chan struct{} // a seat may be free
	taken  int
	waits  bool
	since  time.Time // when it began to wait without a seat; zero: it does not
	urgent bool      // what it waits for
	calm   bool      // nobody reads the blob
}

func newCrew(seats int) *crew { return &crew{free: seats} }

func (c *crew) join() *claim { return &claim{crew: c, wake: make(chan struct{}, 1)} }

// take takes a seat; false when none is free, or another transfer is to have it. Then wake
// tells when to try again.
func (m *claim) take(urgent, calm bool) bool {
	c := m.crew
	c.mu.Lock()
	defer c.mu.Unlock()
	m.urgent, m.calm = urgent, calm
	due := m.due()
	if due {
		c.over = time.Now()
	}
	if due || c.free > 0 && !slices.ContainsFunc(c.waiting, func(o *claim) bool { return o != m && o.before(m) < 0 }) {
		c.free--
		m.taken++
		m.since = time.Time{}
		c.stopWaiting(m)
		return true
	}
	if m.taken == 0 && m.since.IsZero() {
		m.since = time.Now()
	}
	if !m.waits {
		m.waits = true
		c.waiting = append(c.waiting, m)
	}
	return false
}

// due reports whether a claim that has no seat has waited for one long enough; mu is held.
func (m *claim) due() bool {
	return m.taken == 0 && !m.since.IsZero() && min(time.Since(m.since), time.Since(m.crew.over)) >= patience
}

// more takes up to most further seats, and leaves as many to others.
func (m *claim) more(most int) int {
	c := m.crew
	c.mu.Lock()
	defer c.mu.Unlock()
	n := max(0, min(most, c.free/2))
	c.free -= n
	m.taken += n
	return n
}

// give gives seats back.
func (m *claim) give(n int) {
	c := m.crew
	c.mu.Lock()
	defer c.mu.Unlock()
	c.free += n
	m.taken -= n
	c.call()
}

// again takes seats that were given back, whether they are free or not.
func (m *claim) again(n int) {
	c := m.crew
	c.mu.Lock()
	defer c.mu.Unlock()
	c.free -= n
	m.taken += n
}

// leave gives back all seats.
func (m *claim) leave() {
	m.give(m.taken)
	m.pass()
}

// pass says that a transfer has nothing to do for now, so that others need not wait for it.
func (m *claim) pass() {
	c := m.crew
	c.mu.Lock()
	defer c.mu.Unlock()
	if !m.waits {
		m.since = time.Time{}
		return
	}
	c.stopWaiting(m)
	c.call()
}

func (c *crew) stopWaiting(m *claim) {
	m.waits = false
	c.waiting = slices.DeleteFunc(c.waiting, func(o *claim) bool { return o == m })
}

// call wakes who is to have the next free seat; mu is held.
func (c *crew) call() {
	if c.free <= 0 || len(c.waiting) == 0 {
		return
	}
	first := slices.MinFunc(c.waiting, (*claim).before)
	select {
	case first.wake <- struct{}{}:
	default: // it is about to look
	}
}

// before is negative when a claim comes before another.
func (m *claim) before(than *claim) int { return slices.Compare(m.rank(), than.rank()) }

func (m *claim) rank() []int {
	rank := []int{0, m.taken, 0}
	if m.calm {
		rank[0] = 1
	}
	if !m.urgent {
		rank[2] = 1
	}
	return rank
}
