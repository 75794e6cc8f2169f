// Package fsregistry reads and writes what a registry keeps with distribution's filesystem driver: the
// tree docker/registry/v2 below that driver's rootdirectory.
//
//	t, err := fsregistry.Open("/var/lib/registry")
//	for name, err := range t.Repositories() {
//		for link, err := range t.Links(name, ocipath.Layer) {
//			f, err := t.Blob(link.Digest)
//
//	w, err := fsregistry.Create("/srv/registry")
//	shared, err := w.PutBlob(d, exportdir.Source{Reader: r})
//	err = w.PutLink(path, d)
//
// Nothing in the tree is trusted: a symbolic link out of it is an error, what is no plain file is
// not read, and of a link no more than a digest. The registry may go on: what it removes meanwhile
// is not there, and its files are whole, because it renames them into their places.
//
// Limits: a Tree checks no digests. It is safe for concurrent use.
package fsregistry

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/opencontainers/go-digest"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/ocipath"
)

// ErrNoRegistry reports a directory in which no registry keeps anything.
var ErrNoRegistry = errors.New("no registry keeps anything there")

// Tree is the storage of one registry.
type Tree struct{ root *os.Root }

// Open opens the tree below a rootdirectory. The error is ErrNoRegistry, or one of the filesystem.
func Open(dir string) (*Tree, error) {
	v2 := treeOf(dir)
	if _, err := os.Stat(filepath.Join(v2, "repositories")); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s: %w: it has no %s: give the rootdirectory of its configuration", dir, ErrNoRegistry, strings.TrimPrefix(ocipath.Repositories, "/"))
		}
		return nil, err
	}
	root, err := os.OpenRoot(v2)
	if err != nil {
		return nil, err
	}
	return &Tree{root}, nil
}

// treeOf is where the tree of a rootdirectory lies.
func treeOf(dir string) string {
	return filepath.Join(dir, filepath.FromSlash(strings.TrimPrefix(ocipath.Root, "/")))
}

// Close closes the tree; files that are open stay readable.
func (t *Tree) Close() error { return t.root.Close() }

// Blob opens the bytes of a digest, which must be valid; the caller closes it. The error is
// fs.ErrNotExist when the registry does not have them.
func (t *Tree) Blob(d digest.Digest) (*os.File, error) {
	f, _, err := t.openFile(blobName(d))
	return f, err
}

// openFile opens a plain file. A pipe in its place is not waited for.
func (t *Tree) openFile(name string) (*os.File, fs.FileInfo, error) {
	f, err := t.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "read", Path: name, Err: fmt.Errorf("not a plain file: %s", info.Mode())}
	}
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return f, info, nil
}

// Repositories yields the names of the repositories, in order. A directory that cannot be read is
// an error beside its name, and the others follow.
func (t *Tree) Repositories() iter.Seq2[string, error] {
	return func(yield func(string, error) bool) { t.below("", yield) }
}

// maxName is how long the name of a repository may be, in bytes: distribution makes no longer one.
const maxName = 255

var errTooLong = fmt.Errorf("it is deeper than a registry makes it, which gives a repository no name of more than %d bytes: move it elsewhere", maxName)

// below yields the repositories at and below a name.
func (t *Tree) below(name string, yield func(string, error) bool) bool {
	if len(name) > maxName {
		return yield(name, errTooLong)
	}
	entries, err := t.list(path.Join("repositories", name))
	if err != nil {
		return yield(name, err)
	}
	own := false
	var inner []string
	for _, e := range entries {
		switch hidden := strings.HasPrefix(e.Name(), "_"); {
		case hidden:
			own = own || e.Name() == "_layers" || e.Name() == "_manifests"
		case e.IsDir():
			inner = append(inner, e.Name())
		}
	}
	if own && name != "" && !yield(name, nil) {
		return false
	}
	for _, in := range inner {
		if !t.below(path.Join(name, in), yield) {
			return false
		}
	}
	return true
}

// list reads a directory, in order; one that is not there has nothing.
func (t *Tree) list(dir string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(t.root.FS(), dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return entries, err
}
