package blob

import (
	"os"

	"golang.org/x/sys/unix"
)

// beginWriteback has the system write a part of a file without waiting for it. It
// makes nothing safe, so that failing is not worth an error.
func beginWriteback(f *os.File, offset, length int64) {
	raw, err := f.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SyncFileRange(int(fd), offset, length, unix.SYNC_FILE_RANGE_WRITE)
	})
}
