package sweep

import (
	"errors"
	"fmt"
	"io/fs"
	"time"
)

const (
	// A lap that is late, because the registry was off, goes this much faster.
	catchUp = 4
	// openCost is what a blob costs beside its bytes: a disk opens files about as fast as it
	// reads so many bytes.
	openCost = 64 << 10
)

// lap is one round of a scrub over all blobs: where it is, as it lies on disk. Its times are the
// clock's, so that it goes on while the registry is off. A clock that is wrong makes it faster or
// slower, within bounds.
type lap struct {
	Format int       `json:"format"`
	Began  time.Time `json:"began"`
	After  string    `json:"after"` // CID of the last blob that was read to its end; "": none
	Blob   string    `json:"blob"`  // CID of the one that is being read; "": none
	Leaf   int       `json:"leaf"`  // of that one, which is read next
	Read   bool      `json:"read"`  // all blobs have been read
	// Ended is when the last lap before this one had read all; nil: there was none.
	Ended *time.Time `json:"ended"`
}

const (
	lapFormat  = 1
	maxLapFile = 4 << 10 // bytes
)

// at corrects a lap that seems to have begun after now: the clock was set back.
func (l *lap) at(now time.Time) {
	if l.Began.After(now) {
		l.Began = now
	}
}

// leaf is where to begin reading a blob.
func (l *lap) leaf(blob string) int {
	if l.Blob != blob {
		return 0
	}
	return l.Leaf
}

// done notes that a blob has been read to its end.
func (l *lap) done(blob string) { l.After, l.Blob, l.Leaf = blob, "", 0 }

// next is the lap that follows one that has read all.
func (l *lap) next(now time.Time) lap { return lap{Began: now, Ended: l.Ended} }

// pace spreads what a lap reads evenly over what is left of its interval. What reading costs is
// in bytes, with openCost for each blob.
type pace struct {
	interval  time.Duration
	left, all int64     // cost of the blobs that the lap has not read, and of all blobs
	last      time.Time // something was read
}

// due is when the next piece, of that cost, is to be read in a lap that began then.
func (p pace) due(began time.Time, cost int64) time.Time {
	part := func(of time.Duration, n, all int64) time.Duration {
		return time.Duration(float64(of) * float64(n) / float64(max(all, n, 1)))
	}
	fastest := part(p.interval, cost, p.all) / catchUp
	even := part(began.Add(p.interval).Sub(p.last), cost, p.left)
	return p.last.Add(max(fastest, even))
}

// at corrects the time of what was read last: the clock was set back.
func (p *pace) at(now time.Time) {
	if p.last.After(now) {
		p.last = now
	}
}

// spent notes that a piece was read.
func (p *pace) spent(cost int64, now time.Time) {
	p.left, p.last = max(0, p.left-cost), now
}

// share is how much of the lap is done, from 0 to 1.
func (p pace) share() float64 {
	if p.all <= 0 {
		return 1
	}
	return max(0, 1-float64(p.left)/float64(p.all))
}

// readLap reads where an earlier run was; a new lap when that cannot be read.
func readLap(file string, now time.Time) (lap, error) {
	fresh := lap{Began: now}
	var l lap
	err := readSummed(file, maxLapFile, &l)
	if errors.Is(err, fs.ErrNotExist) {
		return fresh, nil
	}
	if err == nil && l.Format != lapFormat {
		err = fmt.Errorf("format %d", l.Format)
	}
	if err != nil {
		return fresh, fmt.Errorf("read %s: %w", file, err)
	}
	l.at(now)
	return l, nil
}

// write replaces the file at once. It is not synced: losing it costs time and no more.
func (l lap) write(file string) error {
	l.Format = lapFormat
	return replaceSummed(file, l)
}
