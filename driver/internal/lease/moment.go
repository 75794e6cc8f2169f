package lease

import "time"

// Moment is a moment in the running time of one registry: how long it has run until then,
// over all of its runs. Moments of two registries have nothing to do with each other.
type Moment time.Duration

// Add is the moment d later.
func (m Moment) Add(d time.Duration) Moment { return m + Moment(d) }

// Sub is how much later m is than o.
func (m Moment) Sub(o Moment) time.Duration { return time.Duration(m - o) }

// MaxGap is the most that counts as running time between two readings of a Clock. Whatever is
// longer was a stop: of the process, or of the machine.
const MaxGap = time.Minute

// Clock counts running time. It is to be read at least once per MaxGap while the registry
// runs, for one goroutine at a time; its owner keeps the last reading on disk. A kill loses
// what passed since that was written.
type Clock struct {
	at   Moment
	read time.Time
}

// NewClock begins a run at the moment that an earlier run wrote down; 0 for the first.
func NewClock(at Moment, now time.Time) *Clock { return &Clock{at, now} }

// Read gives the moment that it is. now has to carry a monotonic reading, as time.Now does:
// a wall clock that jumps changes nothing.
func (c *Clock) Read(now time.Time) Moment {
	c.at = c.at.Add(min(max(now.Sub(c.read), 0), MaxGap))
	c.read = now
	return c.at
}
