package pathmap_test

import (
	"fmt"
	"testing"
	"time"
)

// BenchmarkOpenAMillion opens the map of PATHS (a million), which a registry took as a state and which
// it had compacted: how long until it is open, and what it takes of memory, without garbage.
func BenchmarkOpenAMillion(b *testing.B) {
	paths := pathsOr(1_000_000)
	f := newFabric(b)
	f.states.Store(true)
	a := f.add("a")
	fillChanges(b, a, paths, 100)
	s := f.add("newcomer")
	<-s.m.CaughtUp()
	a.stop()
	for n := range b.N {
		s.stop()
		before := heap()
		began := time.Now()
		s.start()
		b.ReportMetric(time.Since(began).Seconds(), "s/open")
		b.ReportMetric(float64(heap()-before)/float64(paths), "B/path")
		if s.m.View().Len() != paths {
			b.Fatal(fmt.Sprint(n, ": ", s.m.View().Len(), " paths"))
		}
	}
}
