package lease

import (
	"slices"
	"time"
)

const (
	sampleEvery = 5 * time.Minute
	maxSamples  = 1 << 10 // some three days of them
)

// RenewAfter is the age, in running time, from which a registry no longer relies on a version
// that it wrote. Nothing depends on its being the same on all registries.
func RenewAfter(grace time.Duration) time.Duration { return grace / 4 }

// Own tells on which of the versions that a registry wrote in this run it may rely, without
// keeping a time for each: its own counters grow with time, so it is enough to know the
// counter at some moments. A registry that starts begins with an empty one, because it may
// have promised in an earlier run to let its versions lapse.
type Own struct {
	samples []sample // the oldest first
	lapsed  uint64
}

type sample struct {
	at      time.Time
	counter uint64 // every version of this registry beyond it was written since
}

// Note takes the greatest counter of all versions known here before each write.
func (o *Own) Note(now time.Time, counter uint64) {
	if n := len(o.samples); n > 0 && now.Sub(o.samples[n-1].at) < sampleEvery {
		return
	}
	o.samples = append(o.samples, sample{now, counter})
	if n := len(o.samples); n > maxSamples {
		o.samples = slices.Delete(o.samples, 0, n-maxSamples)
	}
}

// Lapse promises that no reliance that begins from now on counts on versions up to counter.
func (o *Own) Lapse(counter uint64) { o.lapsed = max(o.lapsed, counter) }

// Since gives a counter beyond which this registry may rely on each version of its own that
// is alive, because it was written in this run, at the given moment or later, and has not
// lapsed. It is false when there is none.
func (o *Own) Since(moment time.Time) (counter uint64, ok bool) {
	for _, s := range o.samples {
		if !s.at.Before(moment) {
			return max(s.counter, o.lapsed), true
		}
	}
	return 0, false
}
