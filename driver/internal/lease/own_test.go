package lease

import (
	"testing"
	"time"
)

// TestOwn: what was written before a moment is never taken for what came after.
func TestOwn(t *testing.T) {
	var a Own
	began := time.Now()
	written := map[uint64]time.Time{} // counter → when
	now := began
	for c := uint64(100); c < 5000; c++ {
		now = now.Add(time.Minute)
		if c > 2000 && c < 2500 {
			continue // nothing is written for a while; others' counters go on
		}
		a.Note(now, c-1)
		written[c] = now
	}
	const window = 6 * time.Hour
	floor, ok := a.Since(now.Add(-window))
	if !ok {
		t.Fatal("nothing is recent")
	}
	recent := 0
	for c, at := range written {
		if c > floor && now.Sub(at) > window {
			t.Errorf("%d was written %s ago", c, now.Sub(at))
		}
		if c > floor {
			recent++
		}
	}
	if recent < 355 {
		t.Errorf("%d of the last 360 are recent", recent)
	}
	if _, ok := a.Since(now.Add(time.Minute)); ok {
		t.Error("something was written later than the last")
	}
	if len(a.samples) > maxSamples {
		t.Errorf("%d samples are kept", len(a.samples))
	}
	a.Lapse(4990)
	a.Lapse(17) // an older mark takes nothing back
	if floor, ok := a.Since(now.Add(-window)); !ok || floor != 4990 {
		t.Errorf("after what was written up to 4990 has lapsed, %d has", floor)
	}
}
