package room

import (
	"errors"
	"fmt"
	"math"

	"github.com/dustin/go-humanize"
	"golang.org/x/sys/unix"
)

// Kind is the resource of which there is too little.
type Kind int

// Kinds.
const (
	Bytes Kind = iota
	Inodes
	Descriptors
)

// Short reports that something was refused for lack of room, before any of it was taken. To
// errors.Is it is ENOSPC, or EMFILE when file descriptors are short.
type Short struct {
	Of       Kind
	Wanted   int64 // bytes that were to come
	Promised int64 // bytes still to come of uploads and transfers that were admitted earlier
	Free     int64 // of the kind
	Kept     int64 // of these, for the datastore and for what has already begun
}

// Missing is how many bytes more have to be free for what was wanted; 0 where not they are short.
func (s *Short) Missing() int64 {
	left := s.Free - s.Kept - s.Promised
	switch {
	case s.Of != Bytes || s.Wanted <= left:
		return 0
	case s.Wanted > math.MaxInt64+min(left, 0): // Wanted may come from a member
		return math.MaxInt64
	}
	return s.Wanted - left
}

// Error implements error.
func (s *Short) Error() string {
	switch s.Of {
	case Inodes:
		return fmt.Sprintf("no room: %d inodes are free, of which %d are kept: remove files from the disk of datastorepath", s.Free, s.Kept)
	case Descriptors:
		return fmt.Sprintf("no room: %d file descriptors are free, of which %d are kept: try again later, or raise LimitNOFILE of this registry", s.Free, s.Kept)
	}
	coming := ""
	if s.Wanted > 0 {
		coming = humanize.IBytes(uint64(s.Wanted)) + " to come, "
	}
	if s.Promised > 0 {
		coming += humanize.IBytes(uint64(s.Promised)) + " of others under way, "
	}
	return fmt.Sprintf("no room: %s%s free, of which %s are kept: make room for %s more on the disk of datastorepath",
		coming, humanize.IBytes(uint64(max(0, s.Free))), humanize.IBytes(uint64(s.Kept)), humanize.IBytes(uint64(s.Missing())))
}

// Unwrap gives the error that the system would have given.
func (s *Short) Unwrap() error {
	if s.Of == Descriptors {
		return unix.EMFILE
	}
	return unix.ENOSPC
}

// IsFull reports whether an error is that of a full disk, or of a full table of its
// inodes.
func IsFull(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }

// IsCrowded reports whether an error is that of too few file descriptors, in this
// process or on this machine.
func IsCrowded(err error) bool { return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) }

// Is reports whether an error means that room is lacking, foreseen or encountered.
func Is(err error) bool { return IsFull(err) || IsCrowded(err) }
