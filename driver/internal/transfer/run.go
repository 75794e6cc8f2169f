package transfer

import (
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
)

// eta is when a leaf of a run will be here at its present rate. A holder that has sent
// nothing for a while is expected to send nothing for three times as long.
func (r *run) eta(leaf int, now time.Time) time.Duration {
	took := now.Sub(r.began)
	got := r.got.Load()
	if got == 0 {
		return 3 * max(took-r.patience, 0)
	}
	// got counts bytes including whole leaves that are here: those before from.
	left := int64(leaf-r.first+1)*dag.LeafSize - got
	flowing := time.Duration(float64(took) * float64(max(left, 0)) / float64(got))
	return max(flowing, 3*(took-time.Duration(r.last.Load())))
}

// came notes bytes that have come.
func (r *run) came(n int) {
	r.got.Add(int64(n))
	r.last.Store(int64(time.Since(r.began)))
}

// rate is what comes, in bytes a second.
func (r *run) rate() float64 { return float64(r.got.Load()) / time.Since(r.began).Seconds() }
