// Package smalldisk gives tests a disk that they can fill.
//
//	dir := smalldisk.Mount(t, filepath.Join(t.TempDir(), "data"), "size=200m")
//	free := smalldisk.Fill(t, dir, 4096) // 4096 bytes are left
//	free()
//
// Limits: the disk is a tmpfs, which takes Linux and root; otherwise the test is skipped. A
// write that is under way while Fill runs may take some of what is left.
package smalldisk

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// Mount mounts a tmpfs for a test on dir, which it makes if it is missing, with the options
// of tmpfs(5), such as "size=200m". It skips the test where this user may not
// mount, as .ci/run warns.
func Mount(t testing.TB, dir, options string) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		if errors.Is(err, unix.EPERM) {
			t.Skip("mounting a small disk needs root")
		}
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// Lazily, because processes that the test started may end after this.
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// Fill takes up all but left bytes of a disk, until free is called.
func Fill(t testing.TB, dir string, left int64) (free func()) {
	t.Helper()
	f, err := os.CreateTemp(dir, "filler-")
	if err != nil {
		t.Fatal(err)
	}
	for range 100 { // others may be writing meanwhile
		if err = allocate(f, dir, left); !errors.Is(err, unix.ENOSPC) {
			break
		}
	}
	if err = errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		if err := os.Remove(filepath.Clean(f.Name())); err != nil {
			t.Fatal(err)
		}
	}
}

func allocate(f *os.File, dir string, left int64) error {
	var fs unix.Statfs_t
	if err := errors.Join(f.Truncate(0), unix.Statfs(dir, &fs)); err != nil {
		return err
	}
	size := int64(fs.Bavail)*int64(fs.Bsize) - left
	if size <= 0 {
		return nil
	}
	return unix.Fallocate(int(f.Fd()), 0, 0, size)
}
