package datastore

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// allocate gives a file n bytes of the disk. When the file system cannot allocate, the
// bytes are written.
func allocate(f *os.File, n int64) error {
	err := unix.Fallocate(int(f.Fd()), 0, 0, n)
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
		return writeZeros(f, n)
	}
	return err
}
