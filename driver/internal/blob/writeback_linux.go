package blob

import (
	"os"

	"golang.org/x/sys/unix"
)

// beginWriteback makes the system begin to write a part of a file to disk, without waiting
// for it. It makes nothing durable, so its failure is not an error.
func beginWriteback(f *os.File, offset, length int64) {
	raw, err := f.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SyncFileRange(int(fd), offset, length, unix.SYNC_FILE_RANGE_WRITE)
	})
}
