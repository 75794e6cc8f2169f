// Package atomicfile changes files of configuration that others read meanwhile: they see the old content, or the new.
//
//	err := atomicfile.Write("/etc/containerd/certs.d/docker.io/hosts.toml", content)
//	err := atomicfile.Edit{Path: path, Before: old, After: nil}.Make()
package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// mode is of a new file, which is configuration for all who read it. An old one keeps its own.
const mode = 0o644

// Write puts a file in the place of another, and makes the directories to it. It is on disk then.
func Write(path string, content []byte) (err error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // others read what is in it
		return err
	}
	perm := fs.FileMode(mode)
	if info, err := os.Stat(path); err == nil {
		perm = info.Mode().Perm()
	}
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = f.Write(content)
	if err = errors.Join(err, f.Chmod(perm), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
