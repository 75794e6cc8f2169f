package blob

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// cloneFile makes an empty file share the bytes of another one, where the filesystem can: xfs and
// btrfs, for example.
func cloneFile(to, from *os.File) error {
	return unix.IoctlFileClone(int(to.Fd()), int(from.Fd()))
}

// linkFile gives the file that is open one more name: that file, whatever its name leads to by now.
func linkFile(from *os.File, name string) error {
	return unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", from.Fd()), unix.AT_FDCWD, name, unix.AT_SYMLINK_FOLLOW)
}
