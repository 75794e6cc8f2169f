package sweep

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"slices"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/lease"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/sweep/mark"
)

// marksFormat is that of the file of marks. A file of another format is not read, and the
// marks in it are made anew.
const marksFormat = 1

// maxMarksFile bounds, in bytes, what is read into memory: the marks of two million paths. What
// is greater is damaged, or made anew after a start.
const maxMarksFile = 512 << 20

// maxMarks bounds the first marks that wait for their second. What becomes garbage after the
// last one waits for the next.
const maxMarks = 8

// marks are first marks, the oldest first, as they lie on disk.
type marks struct {
	Format    int                     `json:"format"`
	Marks     []*lease.Mark           `json:"marks"`
	Strangers map[string]lease.Moment `json:"strangers,omitempty"` // since when they have been
}

// readMarks reads what an earlier run wrote; nothing when that cannot be read, which costs
// time and no more. Nothing in it is later than now, though the clock may have lost something
// since, or have begun anew in a new datastore.
func readMarks(file string, now lease.Moment) (m marks, err error) {
	err = readSummed(file, maxMarksFile, &m)
	if errors.Is(err, fs.ErrNotExist) {
		return marks{}, nil
	}
	if err == nil && m.Format != marksFormat {
		err = fmt.Errorf("format %d", m.Format)
	}
	if err == nil && slices.Contains(m.Marks, nil) {
		err = errDamaged
	}
	if err != nil {
		return marks{}, fmt.Errorf("read %s: %w", file, err)
	}
	for _, mark := range m.Marks {
		mark.At = min(mark.At, now)
	}
	for id, since := range m.Strangers {
		m.Strangers[id] = min(since, now)
	}
	return m, nil
}

// writeMarks replaces the file at once. It is not synced: losing it costs time and no more.
func writeMarks(file string, m marks) error {
	m.Format = marksFormat
	return replaceSummed(file, m)
}

// versions gives each path that a marking found with its versions in the view.
func versions(view pathmap.View, found *mark.Result) iter.Seq2[string, []string] {
	return func(yield func(string, []string) bool) {
		for path := range found.Paths() {
			if !yield(path, view.VersionsOf(path)) {
				return
			}
		}
	}
}

// fresh leaves out what an earlier mark has with all of its versions: that one comes due
// sooner.
func fresh(unused iter.Seq2[string, []string], earlier []*lease.Mark) iter.Seq2[string, []string] {
	return func(yield func(string, []string) bool) {
		for path, versions := range unused {
			if !marked(earlier, path, versions) && !yield(path, versions) {
				return
			}
		}
	}
}

func marked(earlier []*lease.Mark, path string, versions []string) bool {
	one := func(yield func(string, []string) bool) { yield(path, versions) }
	for _, m := range earlier {
		for range m.Expired(one) {
			return true
		}
	}
	return false
}
