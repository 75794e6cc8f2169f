package fsregistry

import (
	"fmt"
	"os"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/exportdir"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/ocipath"
)

// Writer writes a tree that distribution's filesystem driver serves. Each file gets its name when it
// is whole, so what is there when the writing ends early stays, and is not written again.
// It is safe for concurrent use, but for that of one name.
type Writer struct{ dir *exportdir.Dir }

// Create makes the tree below a rootdirectory, where it is missing.
func Create(dir string) (*Writer, error) {
	d, err := exportdir.Create(treeOf(dir), "blobs", "repositories")
	if err != nil {
		return nil, err
	}
	return &Writer{d}, nil
}

// Look opens the tree below a rootdirectory, if there is one, to see what is there.
func Look(dir string) (*Writer, error) {
	d, err := exportdir.Look(treeOf(dir))
	if err != nil {
		return nil, err
	}
	return &Writer{d}, nil
}

// Close makes all that was written safe on disk.
func (w *Writer) Close() error { return w.dir.Close() }

// HasBlob reports whether the bytes of a digest, which must be valid, are there.
func (w *Writer) HasBlob(d digest.Digest, size int64) bool { return w.dir.Has(blobName(d), size) }

// PutBlob writes the bytes of a digest, as exportdir.Dir.PutBlob does.
func (w *Writer) PutBlob(d digest.Digest, from exportdir.Source) (shared bool, err error) {
	return w.dir.PutBlob(blobName(d), d, from)
}

// HasLink reports whether a link is there, at a path as distribution's drivers have it.
func (w *Writer) HasLink(at string, to digest.Digest) bool {
	name, ok := strings.CutPrefix(at, ocipath.Root+"/")
	if !ok {
		return false
	}
	old, err := w.dir.Read(name, maxLink)
	return err == nil && string(old) == string(to)
}

// PutLink writes a link.
func (w *Writer) PutLink(at string, to digest.Digest) error {
	name, ok := strings.CutPrefix(at, ocipath.Root+"/")
	if !ok {
		return fmt.Errorf("%s: no path of a registry", at)
	}
	return w.dir.Put(name, func(f *os.File) error {
		_, err := f.WriteString(string(to))
		return err
	})
}

func blobName(d digest.Digest) string { return strings.TrimPrefix(ocipath.BlobData("", d), "/") }
