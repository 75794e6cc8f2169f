package attacker

import (
	"fmt"
	"sync/atomic"
)

// Tally is what an attack has achieved. All methods are safe for concurrent use.
type Tally struct {
	tried, did, refused, now, most atomic.Int64
}

// Tried is how often something was begun.
func (t *Tally) Tried() int64 { return t.tried.Load() }

// Did is how often it succeeded: an answer came, bytes were taken, a socket was not closed at once.
func (t *Tally) Did() int64 { return t.did.Load() }

// Refused is how often it was refused, or broken off by the target.
func (t *Tally) Refused() int64 { return t.refused.Load() }

// Now is how many things are held, such as sockets or streams.
func (t *Tally) Now() int64 { return t.now.Load() }

// Most is the greatest Now there was.
func (t *Tally) Most() int64 { return t.most.Load() }

// String says it in a few words.
func (t *Tally) String() string {
	return fmt.Sprintf("tried %d, did %d, refused %d, held %d at most", t.Tried(), t.Did(), t.Refused(), t.Most())
}

// add counts one thing that is held until leave is called.
func (t *Tally) add() (leave func()) {
	now := t.now.Add(1)
	for most := t.most.Load(); now > most && !t.most.CompareAndSwap(most, now); {
		most = t.most.Load()
	}
	return func() { t.now.Add(-1) }
}
