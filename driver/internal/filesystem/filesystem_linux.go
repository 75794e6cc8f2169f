package filesystem

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Clone makes an empty file share the bytes of another one, until one of both is written (a
// reflink), where the filesystem can: xfs and btrfs, for example.
func Clone(to, from *os.File) error {
	return unix.IoctlFileClone(int(to.Fd()), int(from.Fd()))
}

// Link gives the file that is open one more name: that file, whatever its name leads to by now.
func Link(from *os.File, name string) error {
	return unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", from.Fd()), unix.AT_FDCWD, name, unix.AT_SYMLINK_FOLLOW)
}

// SyncAll makes all of the filesystem safe on disk in which a directory lies.
func SyncAll(dir *os.File) error { return unix.Syncfs(int(dir.Fd())) }
