package blob

import (
	"sync/atomic"
	"time"
)

// spent is how long leaves took this machine, in nanoseconds.
type spent struct{ hash, write atomic.Int64 }

// Spent returns how long it took to verify the leaves that were put, and to write them. Leaves that
// were put at the same time count each for itself.
func (p *Partial) Spent() (hash, write time.Duration) {
	return time.Duration(p.spent.hash.Load()), time.Duration(p.spent.write.Load())
}
