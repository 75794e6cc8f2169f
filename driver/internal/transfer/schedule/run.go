package schedule

import (
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
)

const (
	// streams is how many ranges of one blob are received at once from few holders. From many
	// holders one range each is received, up to MaxStreams.
	streams = 3
	// MaxStreams is how many ranges of one blob are received at once at most, besides one for
	// leaves that a reader waits for.
	MaxStreams = 7
	// firstRun is how many leaves are requested at first: few, so that a reader does not wait
	// for leaves that it does not need yet. Later it is as many as the holder sends in runTime.
	firstRun = 2
	runTime  = 500 * time.Millisecond
	// MaxRun is the greatest number of leaves in one request.
	MaxRun = 32
)

// Run is the leaves [From, To) that are fetched from one holder. Its fields belong to the plan,
// except for Got and Last, which the receiver of the run updates.
type Run struct {
	First    int // the leaf at which it began
	From, To int
	Holder   peer.ID
	Relayed  bool // the holder may name others that have the leaves earlier
	Began    time.Time
	Got      int64         // bytes received
	Last     time.Time     // when the last of them came
	Patience time.Duration // how long to expect no byte at first
	Namer    peer.ID       // that named the holder in its own place; empty: nobody did
	hangs    bool          // it brings nothing: its leaves count as nobody's
	hung     bool          // it did, so that another run may fetch them, too
	twice    bool          // another run fetches its next leaf, too
}

// Hangs reports whether the run has brought so little that others are asked for its leaves as well.
func (r *Run) Hangs() bool { return r.hangs }

// Rate returns the rate at which the run has come so far, in bytes per second.
func (r *Run) Rate(now time.Time) float64 {
	took := now.Sub(r.Began).Seconds()
	if took <= 0 {
		return 0
	}
	return float64(r.Got) / took
}

// eta estimates how long it takes until a leaf of a run is here. A holder that has sent nothing for
// a while is expected to send nothing for three times as long.
func (r *Run) eta(leaf int, now time.Time) time.Duration {
	took := now.Sub(r.Began)
	if r.Got == 0 {
		return 3 * max(took-r.Patience, 0)
	}
	// Got includes the leaves before From, which are here.
	left := int64(leaf-r.First+1)*dag.LeafSize - r.Got
	flowing := time.Duration(float64(took) * float64(max(left, 0)) / float64(r.Got))
	return max(flowing, 3*now.Sub(r.Last))
}
