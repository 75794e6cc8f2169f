package transfer

import (
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
)

// eta is when a leaf of a run will be here as it goes now. What brought nothing so
// far is expected to take as long again, three times.
func (r *run) eta(leaf int, now time.Time) time.Duration {
	took := now.Sub(r.began)
	got := r.got.Load()
	if got == 0 {
		return 3 * took
	}
	// got counts whole leaves that are here, too: those before from.
	left := int64(leaf-r.first+1)*blob.LeafSize - got
	return time.Duration(float64(took) * float64(max(left, 0)) / float64(got))
}
