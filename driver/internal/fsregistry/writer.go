package fsregistry

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/filesystem"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/ocipath"
)

// ErrOtherBytes reports bytes that are not those of a digest.
var ErrOtherBytes = errors.New("the bytes do not have their digest")

// partSuffix is that of a file which is being written.
const partSuffix = ".part"

// Writer writes a tree that distribution's filesystem driver serves. Each file gets its name when it
// is whole, so what is there when the writing ends early stays, and is not written again.
// It is safe for concurrent use, but for that of one name.
type Writer struct{ root *os.Root }

// Create makes the tree below a rootdirectory, where it is missing.
func Create(dir string) (*Writer, error) {
	v2 := filepath.Join(dir, filepath.FromSlash(strings.TrimPrefix(ocipath.Root, "/")))
	for _, of := range []string{"blobs", "repositories"} {
		if err := os.MkdirAll(filepath.Join(v2, of), 0o700); err != nil {
			return nil, err
		}
	}
	root, err := os.OpenRoot(v2)
	if err != nil {
		return nil, err
	}
	return &Writer{root}, nil
}

// Close makes all that was written safe on disk.
func (w *Writer) Close() error {
	dir, err := w.root.Open(".")
	if err == nil {
		err = errors.Join(filesystem.SyncAll(dir), dir.Close())
	}
	return errors.Join(err, w.root.Close())
}

// HasBlob reports whether the bytes of a digest, which must be valid, are there.
func (w *Writer) HasBlob(d digest.Digest, size int64) bool {
	info, err := w.root.Lstat(blobName(d))
	return err == nil && info.Mode().IsRegular() && info.Size() == size
}

// PutBlob writes the bytes of a digest, which must be valid. The error is ErrOtherBytes when they have
// another one.
func (w *Writer) PutBlob(d digest.Digest, r io.Reader) error {
	return w.put(blobName(d), func(f *os.File) error {
		check := d.Verifier()
		if _, err := io.Copy(io.MultiWriter(f, check), r); err != nil {
			return err
		}
		if !check.Verified() {
			return fmt.Errorf("%s: %w", d, ErrOtherBytes)
		}
		return f.Sync()
	})
}

// PutLink writes a link at a path as distribution's drivers have it, unless it is there.
func (w *Writer) PutLink(at string, to digest.Digest) (written bool, err error) {
	name, ok := strings.CutPrefix(at, ocipath.Root+"/")
	if !ok {
		return false, fmt.Errorf("%s: no path of a registry", at)
	}
	if old, err := w.root.ReadFile(name); err == nil && string(old) == string(to) {
		return false, nil
	}
	return true, w.put(name, func(f *os.File) error {
		_, err := f.WriteString(string(to))
		return err
	})
}

// put writes a file under another name, which it loses when it is whole. What a writing that was
// killed left under that name is replaced.
func (w *Writer) put(name string, write func(*os.File) error) error {
	if err := w.root.MkdirAll(path.Dir(name), 0o700); err != nil {
		return err
	}
	part := name + partSuffix
	if err := w.root.Remove(part); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := w.root.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err = errors.Join(write(f), f.Close()); err == nil {
		err = w.root.Rename(part, name)
	}
	if err != nil {
		return errors.Join(err, w.root.Remove(part))
	}
	return nil
}

func blobName(d digest.Digest) string { return strings.TrimPrefix(ocipath.BlobData("", d), "/") }
