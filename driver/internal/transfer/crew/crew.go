package crew

import (
	"slices"
	"sync"
	"time"
)

// Seats is how many orders all transfers of a registry carry out at once. Each order has one
// connection and a leaf of memory. It is limited by this machine rather than by a link: more orders
// would only take turns on its processors, and close connections only to open new ones.
const Seats = 12

// patience is how long a transfer that has no seat waits until it gets one even if it is not its
// turn, or if no seat is free: over slow links, seats may be taken for minutes. Transfers that have
// waited for so long get their seats one at a time, at intervals of patience.
const patience = 250 * time.Millisecond

// Crew shares the workers of a registry among its transfers. Transfers that somebody reads come
// first, then those with the fewest seats, then those whose reader waits. It is safe for concurrent
// use.
type Crew struct {
	mu      sync.Mutex
	seats   int
	free    int       // negative when more seats are taken than there are
	over    time.Time // when a seat was last taken out of turn
	waiting []*Claim
}

// Claim is the share of one transfer in a crew.
type Claim struct {
	crew   *Crew
	wake   chan struct{} // a seat may be free
	taken  int           // seats that it has
	waits  bool          // it is in Crew.waiting
	since  time.Time     // when it began to wait without any seat; zero: it does not
	urgent bool          // a reader waits for what it would fetch
	calm   bool          // nobody reads the blob
}

// New makes a crew with that many seats.
func New(seats int) *Crew { return &Crew{seats: seats, free: seats} }

// Free returns how many seats are free; negative when more are taken than there are.
func (c *Crew) Free() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.free
}

// Join makes the claim of a transfer, which must call Leave in the end. A claim is for one
// goroutine.
func (c *Crew) Join() *Claim { return &Claim{crew: c, wake: make(chan struct{}, 1)} }

// Wake returns a channel that receives when it is time to try Take again.
func (m *Claim) Wake() <-chan struct{} { return m.wake }

// Take takes a seat. urgent means that a reader waits for what is to be fetched, and calm that
// nobody reads the blob. It returns false when no seat is free, or when another transfer comes
// first: then Wake says when to try again.
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

// due reports whether a claim without a seat has waited long enough for one. mu is held.
func (m *Claim) due() bool {
	return m.taken == 0 && !m.since.IsZero() && min(time.Since(m.since), time.Since(m.crew.over)) >= patience
}

// Alone reports whether no other transfer has a seat.
func (m *Claim) Alone() bool {
	c := m.crew
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.free+m.taken == c.seats
}

// More takes up to most further seats, but at most half of the free ones, and returns how many it
// took.
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

// Again takes back seats that the claim gave back, whether or not they are free.
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

// Pass says that a transfer wants no seat for now, so that others need not wait for it.
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

// call wakes the claim that is to have the next free seat. mu is held.
func (c *Crew) call() {
	if c.free <= 0 || len(c.waiting) == 0 {
		return
	}
	first := slices.MinFunc(c.waiting, (*Claim).before)
	select {
	case first.wake <- struct{}{}:
	default: // it has been woken already
	}
}

// before returns a negative number when a claim comes before another.
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
