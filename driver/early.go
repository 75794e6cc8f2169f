package driver

import (
	"sync"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/replica/ack"
)

// earlyFrom is how many bytes an upload has to have until members take it while it grows: for a
// small one the questions would cost more than the time that they save.
const earlyFrom = 8 << 20

// growths are the uploads that members take while they grow, by their files. An upload may come in
// several requests.
type growths struct {
	mu sync.Mutex
	of map[string]*ack.Early
}

// maxGrowths is how many there are at most: some uploads never end.
const maxGrowths = 1024

// grew is called when an upload has grown. begin has members take it, if it is called.
func (e *growths) grew(file string, begin func() *ack.Early) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, ok := e.of[file]; ok {
		return
	}
	if len(e.of) >= maxGrowths {
		for _, early := range e.of {
			early.Stop()
		}
		clear(e.of)
	}
	if e.of == nil {
		e.of = map[string]*ack.Early{}
	}
	e.of[file] = begin() // or nil, so that it is not tried again
}

// whole is called when an upload has ended, with its size.
func (e *growths) whole(file string, size int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.of[file].Whole(size)
}

// take returns what members take of an upload, whose file is about to go.
func (e *growths) take(file string) *ack.Early {
	e.mu.Lock()
	defer e.mu.Unlock()
	early := e.of[file]
	delete(e.of, file)
	return early
}
