package crew

import (
	"slices"
	"sync"
	"time"
)

// Seats is how many orders all transfers of a registry carry out at once. Each has one
// connection and a leaf of memory, and is bound by this machine rather than by a link: more
// of them take turns on its processors, and break off connections to make new ones.
const Seats = 12

// patience is after what time a transfer that has no seat gets one even if it is not its
// turn, or none is free: over slow links, they may be taken for minutes. Transfers that have
// waited for so long get theirs one after the other, in such intervals.
const patience = 250 * time.Millisecond

// Crew shares the workers of a registry among its transfers: whoever has the fewest comes
// first, and of two that have as many the one whose reader waits. It is safe for concurrent
// use.
type Crew struct {
	mu      sync.Mutex
	free    int       // negative when seats were taken that were not free
	over    time.Time // when a seat was last taken out of turn
	waiting []*Claim
}

// Claim is the part that one transfer has in a crew.
type Claim struct {
	crew   *Crew
	wake   chan struct{} // a seat may be free
	taken  int
	waits  bool
	since  time.Time // when it began to wait without a seat; zero: it does not
	urgent bool      // what it waits for
	calm   bool      // nobody reads the blob
}

// New makes a crew with so many seats.
func New(seats int) *Crew { return &Crew{free: seats} }

// Free is how many seats are free; negative when seats were taken that were not.
func (c *Crew) Free() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.free
}

// Join makes a claim of a transfer's, which is to be left in the end. It is for one goroutine.
func (c *Crew) Join() *Claim { return &Claim{crew: c, wake: make(chan struct{}, 1)} }

// Wake tells when to try again to take a seat.
func (m *Claim) Wake() <-chan struct{} { return m.wake }

// Take takes a seat, urgently when a reader waits for what is to be fetched, and calmly when
// nobody reads the blob; false when none is free, or another transfer is to have it: then
// Wake tells when to try again.
func (m *Claim) Take(urgent, calm bool) bool {
	c := m.crew
	c.mu.Lock()
	defer c.mu.Unlock()
	m.urgent, m.calm = urgent, calm
	due := m.due()
	if due {
		c.over = time.Now()
	}
	if due || c.free > 0 && !slices.ContainsFunc(c.waiting, func(o *Claim) bool { return o != m && o.before(m) < 0 }) {
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
func (m *Claim) due() bool {
	return m.taken == 0 && !m.since.IsZero() && min(time.Since(m.since), time.Since(m.crew.over)) >= patience
}

// More takes up to most further seats, leaves as many to others, and returns how many it took.
func (m *Claim) More(most int) int {
	c := m.crew
	c.mu.Lock()
	defer c.mu.Unlock()
	n := max(0, min(most, c.free/2))
	c.free -= n
	m.taken += n
	return n
}

// Give gives seats back.
func (m *Claim) Give(n int) {
	c := m.crew
	c.mu.Lock()
	defer c.mu.Unlock()
	c.free += n
	m.taken -= n
	c.call()
}

// Again takes seats that were given back, whether they are free or not.
func (m *Claim) Again(n int) {
	c := m.crew
	c.mu.Lock()
	defer c.mu.Unlock()
	c.free -= n
	m.taken += n
}

// Leave gives back all seats.
func (m *Claim) Leave() {
	m.Give(m.taken)
	m.Pass()
}

// Pass says that a transfer has nothing to do for now, so that others need not wait for it.
func (m *Claim) Pass() {
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

func (c *Crew) stopWaiting(m *Claim) {
	m.waits = false
	c.waiting = slices.DeleteFunc(c.waiting, func(o *Claim) bool { return o == m })
}

// call wakes who is to have the next free seat; mu is held.
func (c *Crew) call() {
	if c.free <= 0 || len(c.waiting) == 0 {
		return
	}
	first := slices.MinFunc(c.waiting, (*Claim).before)
	select {
	case first.wake <- struct{}{}:
	default: // it is about to look
	}
}

// before is negative when a claim comes before another.
func (m *Claim) before(than *Claim) int { return slices.Compare(m.rank(), than.rank()) }

func (m *Claim) rank() []int {
	rank := []int{0, m.taken, 0}
	if m.calm {
		rank[0] = 1
	}
	if !m.urgent {
		rank[2] = 1
	}
	return rank
}
