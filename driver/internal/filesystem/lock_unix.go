//go:build unix

package filesystem

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Lock keeps an open file or directory from others that lock it, until it is closed. The error is ErrLocked
// when another process, or another part of this one, has done so.
func Lock(f *os.File) error {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return ErrLocked
	}
	return err
}
