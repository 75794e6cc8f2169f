package fsregistry

import (
	"os"

	"golang.org/x/sys/unix"
)

// syncAll makes all of the filesystem safe on disk in which a directory lies.
func syncAll(dir *os.File) error { return unix.Syncfs(int(dir.Fd())) }
