package schedule

import (
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
)

const (
	// streams is how many ranges of one blob are received at once from few holders,
	// MaxStreams from many, one each. One more is for leaves that a reader waits for.
	streams = 3
	// MaxStreams is the greatest number of ranges of one blob that are received at once.
	MaxStreams = 7
	// firstRun and MaxRun are how many leaves are asked for in one request: few at first,
	// so that a reader does not wait for leaves that it does not need yet, then as many as
	// the holder sends in runTime.
	firstRun = 2
	runTime  = 500 * time.Millisecond
	// MaxRun is the greatest number of leaves of one request.
	MaxRun = 32
)

// Run is the leaves [From, To) that are fetched from one holder. Its fields are the plan's,
// but what has come, which whoever receives the run notes.
type Run struct {
	First    int // where it began
	From, To int
	Holder   peer.ID
	Relayed  bool // the holder may name others that have the leaves earlier
	Began    time.Time
	Got      int64         // bytes received
	Last     time.Time     // when the last of them came
	Patience time.Duration // no byte is expected for that long
	twice    bool          // its next leaf is fetched by two
}

// Rate is what comes, in bytes a second.
func (r *Run) Rate(now time.Time) float64 {
	took := now.Sub(r.Began).Seconds()
	if took <= 0 {
		return 0
	}
	return float64(r.Got) / took
}

// eta is when a leaf of a run will be here at its present rate. A holder that has sent
// nothing for a while is expected to send nothing for three times as long.
func (r *Run) eta(leaf int, now time.Time) time.Duration {
	took := now.Sub(r.Began)
	if r.Got == 0 {
		return 3 * max(took-r.Patience, 0)
	}
	// Got counts bytes including whole leaves that are here: those before From.
	left := int64(leaf-r.First+1)*dag.LeafSize - r.Got
	flowing := time.Duration(float64(took) * float64(max(left, 0)) / float64(r.Got))
	return max(flowing, 3*now.Sub(r.Last))
}
