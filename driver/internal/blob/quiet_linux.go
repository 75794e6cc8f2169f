package blob

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// openQuietly opens a file to read it, without a note on the disk that it was read.
func openQuietly(file string) (*os.File, error) {
	f, err := os.OpenFile(file, os.O_RDONLY|unix.O_NOATIME, 0)
	if errors.Is(err, unix.EPERM) { // it is another user's
		return os.Open(file)
	}
	return f, err
}

// uncache makes the system forget the copy in memory of a part of a file. What is not on disk
// yet stays; so does what the system wants to keep, which is no error.
func uncache(f *os.File, offset, length int64) {
	raw, err := f.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.Fadvise(int(fd), offset, length, unix.FADV_DONTNEED)
	})
}
