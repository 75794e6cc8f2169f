package driver

import (
	"cmp"
	"sync"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/replica/ack"
)

// earlyFrom is how many bytes an upload has to have until members take it while it grows: for a
// small one the questions would cost more than the time that they save.
const earlyFrom = 8 << 20

const (
	maxGrowths = 1024 // uploads that are remembered: some never end
	maxTries   = 3    // at having one taken, whose link fails, or whose client pauses for long
	tryAgain   = 10 * time.Second
)

// growths are the uploads that members take while they grow, by their files. An upload may come in
// several requests.
type growths struct {
	pause time.Duration // between two tries; 0: the default

	mu sync.Mutex
	of map[string]growth
}

// growth is an upload, and its last try.
type growth struct {
	early *ack.Early // nil: there was nobody to take it
	tries int
	since time.Time
}

// grew is called when an upload has grown. begin has members take it, if it is called, from its
// first byte on.
func (e *growths) grew(file string, begin func() *ack.Early) {
	e.mu.Lock()
	defer e.mu.Unlock()
	g := e.of[file]
	if g.tries > 0 && (!g.early.Over() || g.tries == maxTries || time.Since(g.since) < cmp.Or(e.pause, tryAgain)) {
		return
	}
	if len(e.of) >= maxGrowths && g.tries == 0 {
		for _, g := range e.of {
			g.early.Stop()
		}
		clear(e.of)
	}
	if e.of == nil {
		e.of = map[string]growth{}
	}
	e.of[file] = growth{begin(), g.tries + 1, time.Now()}
}

// whole is called when an upload has ended, with its size.
func (e *growths) whole(file string, size int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.of[file].early.Whole(size)
}

// take returns what members take of an upload, whose file is about to go.
func (e *growths) take(file string) *ack.Early {
	e.mu.Lock()
	defer e.mu.Unlock()
	early := e.of[file].early
	delete(e.of, file)
	return early
}
