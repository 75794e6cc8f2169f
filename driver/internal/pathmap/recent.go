package pathmap

import (
	"sync"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/lease"
)

// own is on which of its own versions this registry may rely.
type own struct {
	mu sync.Mutex
	lease.Own
}

// note takes the greatest counter before a write.
func (o *own) note(now time.Time, counter uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.Note(now, counter)
}

func (o *own) lapse(counter uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.Lapse(counter)
}

func (o *own) since(moment time.Time) (counter uint64, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.Since(moment)
}

// Wrote reports whether a version of a path is alive that this registry wrote in this run,
// within the last d of its running time, give or take five minutes, and that it was not asked
// to let lapse since. Who relies on the answer asks between Rely and its end.
func (m *Map) Wrote(path string, d time.Duration) bool {
	floor, ok := m.own.since(time.Now().Add(-d))
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
