// Package exportdir writes files for other programs below a directory: each has its name when it is
// whole, and a blob only when it has its digest. So what is there when the writing ends early stays, and
// need not be written again.
//
//	d, err := exportdir.Create("/srv/registry")
//	shared, err := d.PutBlob("blobs/sha256/…", of, exportdir.Source{Reader: r, File: f})
//	err = d.Put("index.json", func(f *os.File) error { … })
//	err = d.Close()
//
// Limits: how files are named is who asks's to know. Nothing is removed.
package exportdir

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"

	"github.com/opencontainers/go-digest"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/filesystem"
)

// ErrOtherBytes reports bytes that are not those of a digest.
var ErrOtherBytes = errors.New("the bytes do not have their digest")

// Dir is a directory into which files are written, or one that is only looked at. Nothing below it
// leads out of it. It is safe for concurrent use, but for that of one name.
type Dir struct{ root *os.Root } // nil: it is not there, and is only looked at

// Create makes a directory where it is missing, and those below it that are named, to write there.
func Create(dir string, below ...string) (*Dir, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	for _, of := range below {
		if err := root.MkdirAll(of, 0o700); err != nil {
			return nil, errors.Join(err, root.Close())
		}
	}
	return &Dir{root}, nil
}

// Look opens a directory to see what is there; in one that is missing nothing is.
func Look(dir string) (*Dir, error) {
	root, err := os.OpenRoot(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return &Dir{}, nil
	}
	if err != nil {
		return nil, err
	}
	return &Dir{root}, nil
}

// Close makes all that was written safe on disk.
func (d *Dir) Close() error {
	if d.root == nil {
		return nil
	}
	return errors.Join(d.Sync(), d.root.Close())
}

// Sync is Close, but more can be written.
func (d *Dir) Sync() error {
	self, err := d.root.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(filesystem.SyncAll(self), self.Close())
}

// Has reports whether a plain file of that many bytes is there.
func (d *Dir) Has(name string, size int64) bool {
	if d.root == nil {
		return false
	}
	info, err := d.root.Lstat(name)
	return err == nil && info.Mode().IsRegular() && info.Size() == size
}

// Read reads a file, of which it takes no more than most bytes. The error is fs.ErrNotExist when it
// is not there.
func (d *Dir) Read(name string, most int64) ([]byte, error) {
	if d.root == nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	f, err := d.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	content, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(content)) > most {
		err = fmt.Errorf("%s has more than %d bytes", name, most)
	}
	return content, err
}

// Source is where the bytes of a blob come from.
type Source struct {
	io.Reader
	// File is what Reader reads, from its beginning; nil: no file. Nobody writes into it any more.
	File *os.File
}

// PutBlob writes the bytes of a digest, which must be valid. Where the filesystem can, they are shared
// with the file that they come from; they are read and checked all the same. The file never gets a
// second name: whoever gives an export to another user would give away the registry's file. The error is
// ErrOtherBytes when they have another digest.
func (d *Dir) PutBlob(name string, of digest.Digest, from Source) (shared bool, err error) {
	err = d.Put(name, func(f *os.File) error {
		check := of.Verifier()
		to := io.MultiWriter(f, check)
		if from.File != nil && filesystem.Clone(f, from.File) == nil {
			shared, to = true, check
		}
		if _, err := io.Copy(to, from.Reader); err != nil {
			return err
		}
		if !check.Verified() {
			return fmt.Errorf("%s: %w", of, ErrOtherBytes)
		}
		return f.Sync()
	})
	return shared, err
}

// partSuffix is that of a file which is being written.
const partSuffix = ".part"

// Put writes a file, and the directories above it, under another name, which it loses when it is whole.
// What a writing that was killed left under that name is replaced.
func (d *Dir) Put(name string, write func(*os.File) error) error {
	if err := d.root.MkdirAll(path.Dir(name), 0o700); err != nil {
		return err
	}
	part := name + partSuffix
	if err := d.root.Remove(part); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := d.root.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err = errors.Join(write(f), f.Close()); err == nil {
		err = d.root.Rename(part, name)
	}
	if err != nil {
		return errors.Join(err, d.root.Remove(part))
	}
	return nil
}
