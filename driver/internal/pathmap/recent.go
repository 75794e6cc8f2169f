package pathmap

import (
	"sync"
	"time"
)

const (
	sampleEvery = 5 * time.Minute
	maxSamples  = 1 << 10 // some three days of them
)

// ages tells how long ago in this run this registry wrote a version, without keeping a time
// for each: its own counters grow with time, so it is enough to know the counter at some
// moments.
type ages struct {
	mu      sync.Mutex
	samples []sample // the oldest first
}

type sample struct {
	at      time.Time
	counter uint64 // every version of this registry beyond it was written since
}

// note takes the greatest counter before a write.
func (a *ages) note(now time.Time, counter uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if n := len(a.samples); n > 0 && now.Sub(a.samples[n-1].at) < sampleEvery {
		return
	}
	a.samples = append(a.samples, sample{now, counter})
	if n := len(a.samples); n > maxSamples {
		a.samples = append(a.samples[:0], a.samples[n-maxSamples:]...)
	}
}

// since gives a counter beyond which every version of this registry was written in this run,
// at the given moment or later; false when there is none.
func (a *ages) since(moment time.Time) (counter uint64, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range a.samples {
		if !s.at.Before(moment) {
			return s.counter, true
		}
	}
	return 0, false
}

// Wrote reports whether a version of a path is alive that this registry wrote in this run
// and within the last d of its running time, give or take five minutes.
func (m *Map) Wrote(path string, d time.Duration) bool {
	floor, ok := m.ages.since(time.Now().Add(-d))
	if !ok {
		return false
	}
	writer, ok := m.incarnation.writer(m.cfg.Self)
	if !ok {
		return false
	}
	for _, st := range m.current.Load().versionsOf(path) {
		if st.writer == writer && st.counter > floor { // of another incarnation: heard of, not written
			return true
		}
	}
	return false
}
