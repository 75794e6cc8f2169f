package driver

import (
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/sweep"
)

// ScrubStatus is how far the scrub is, which reads each blob of this disk once in an interval,
// and what it found.
type ScrubStatus struct {
	Interval time.Duration `json:"interval"` // nanoseconds; 0: there is no scrub
	Began    time.Time     `json:"began"`    // of the present round
	Share    float64       `json:"share"`    // of it that is done, from 0 to 1
	Ended    *time.Time    `json:"ended"`    // when a round had last read all; nil: none has
	Blobs    int64         `json:"blobs"`    // read since the start
	Bytes    int64         `json:"bytes"`    // read since the start
	Damaged  int           `json:"damaged"`  // blobs found to be damaged since the start
	Lost     int           `json:"lost"`     // blobs found to have lost their file, likewise
	Recorded int           `json:"recorded"` // whole blobs found without a record, which have one now, likewise
	Unread   int           `json:"unread"`   // blobs that could not be read, likewise
	Strays   int           `json:"strays"`   // files among the blobs that are none
	Tables   []string      `json:"tables"`   // files of metadata (below pebble/) that are damaged
}

func (s *store) scrubStatus() ScrubStatus {
	now := s.engine.Scrub.State()
	return ScrubStatus{
		Interval: now.Interval, Began: now.Began, Share: now.Share, Ended: now.Ended, Blobs: now.Blobs, Bytes: now.Bytes,
		Damaged: now.Damaged, Lost: now.Lost, Recorded: now.Recorded, Unread: now.Unread, Strays: now.Strays,
		Tables: append([]string{}, now.Tables...),
	}
}

// scrubFaults are the faults that a scrub counts, by the value of a metric's label.
func scrubFaults(now sweep.ScrubState) map[string]int {
	return map[string]int{"damaged": now.Damaged, "lost": now.Lost, "unrecorded": now.Recorded, "unreadable": now.Unread}
}
