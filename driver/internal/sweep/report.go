package sweep

import (
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/sweep/mark"
)

// Options are those of one collection.
type Options struct {
	DryRun   bool          // nothing is marked, deleted or removed
	Untagged bool          // manifests without a tag are garbage
	Grace    time.Duration // from the mark of what is garbage to its deletion
}

// Phase is what a collection is doing.
type Phase string

// In this order, some of them more than once.
const (
	Hearing  Phase = "asking the members"
	Marking  Phase = "looking for what nothing refers to"
	Waiting  Phase = "waiting"
	Removing Phase = "looking for bytes that nothing names"
)

// Progress is how far a collection is.
type Progress struct {
	Phase     Phase
	Paths, Of int           // of Marking
	Manifests int           // likewise
	Left      time.Duration // of Waiting
}

// Report is what a collection did, or, as a dry run, what it found.
type Report struct {
	DryRun  bool
	Grace   time.Duration
	All     mark.Sums // entries
	Unused  mark.Sums // to which nothing live refers
	Deleted mark.Sums // of entries
	Removed Removed   // from this disk

	Unreadable      []mark.Unreadable // what could not be read, and keeps other things; the first ones
	UnreadableCount int

	Left     time.Duration // until what is unused now may be deleted; 0: nothing waits
	WaitsFor []Absent      // members that could not be heard
}

// State is what is known of collections since the start.
type State struct {
	Marked   int      // paths that are unused, and wait for their grace
	Unnamed  int      // blobs on this disk that no entry names
	Deleted  int      // manifests, links of layers, and blobs
	Removed  Removed  // from this disk
	WaitsFor []Absent // whom the last collection could not hear
}

// Absent is a member, or somebody who once wrote to the map, that could not be heard.
type Absent struct {
	PeerID string
	Why    error // nil: not tried
}

func (r *Report) wait(ids []string, why func(string) error) {
	r.WaitsFor = nil
	for _, id := range ids {
		r.WaitsFor = append(r.WaitsFor, Absent{id, why(id)})
	}
}
