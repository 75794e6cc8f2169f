package driver

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// lockedByOther reports whether another process holds badger's lock on a directory.
// badger's own error says so only in its text.
func lockedByOther(dir string) bool {
	f, err := os.Open(filepath.Clean(dir))
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	return err == unix.EWOULDBLOCK
}
