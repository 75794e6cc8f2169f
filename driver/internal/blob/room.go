package blob

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/dustin/go-humanize"
	"golang.org/x/sys/unix"
)

// reserve is what a blob on its way here leaves free, in bytes: the datastore has
// to go on writing when the disk is full of blobs.
const reserve = 32 << 20

// roomFor refuses, with ENOSPC, what would not fit on the disk beside the part of
// it that lies in file.
func (s *Store) roomFor(size int64, file string) error {
	var there int64
	if info, err := os.Stat(file); err == nil {
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			there = st.Blocks * 512
		}
	}
	var disk unix.Statfs_t
	if err := unix.Statfs(s.staging, &disk); err != nil {
		return fmt.Errorf("look at the disk: %w", err)
	}
	need, free := max(0, size-there), int64(disk.Bavail)*disk.Bsize-reserve
	if need <= free {
		return nil
	}
	return fmt.Errorf("%s to come and %s free, of which %d MiB are kept: %w",
		humanize.IBytes(uint64(need)), humanize.IBytes(uint64(free+reserve)), reserve>>20, unix.ENOSPC)
}

// isFull says whether an error is that of a full disk.
func isFull(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }
