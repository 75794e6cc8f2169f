package driver

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"

	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"
	"golang.org/x/sys/unix"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/ocipath"
)

// local is a filesystem driver that hides the files in which uploads keep what is known of
// their bytes. A directory is removed with the last file in it, because otherwise the
// catalog would read one for every repository that was ever pushed here.
type local struct {
	storagedriver.StorageDriver
	root  string
	blobs *blob.Store
}

func (l local) file(p string) string { return filepath.Join(l.root, p) }

// PutContent implements storagedriver.StorageDriver. An upload begins only where there
// is room.
func (l local) PutContent(ctx context.Context, p string, content []byte) error {
	if isHint(p) {
		return l.putHint(p, content)
	}
	if isBeginning(p) {
		if err := l.blobs.Room().Begin(); err != nil {
			return err
		}
		return l.write(p, content)
	}
	return making(func() error { return l.StorageDriver.PutContent(ctx, p, content) })
}

// write writes a file without syncing it: what a crash takes of it costs a client nothing
// that was acknowledged.
func (l local) write(p string, content []byte) error {
	file := l.file(p)
	return making(func() error {
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			return err
		}
		return os.WriteFile(file, content, 0o600)
	})
}

// GetContent implements storagedriver.StorageDriver. An upload whose beginning a crash has
// taken never began: no byte of it was acknowledged.
func (l local) GetContent(ctx context.Context, p string) ([]byte, error) {
	content, err := l.StorageDriver.GetContent(ctx, p)
	if err == nil && len(content) == 0 && isBeginning(p) {
		err = notFound(p)
	}
	return content, err
}

// Move implements storagedriver.StorageDriver.
func (l local) Move(ctx context.Context, source, dest string) error {
	return making(func() error { return l.StorageDriver.Move(ctx, source, dest) })
}

// List implements storagedriver.StorageDriver.
func (l local) List(ctx context.Context, dir string) ([]string, error) {
	paths, err := l.StorageDriver.List(ctx, dir)
	return slices.DeleteFunc(paths, func(p string) bool { return blob.IsUploadNote(p) || l.isTornHint(p) }), err
}

// isTornHint reports whether a path is that of a hash state of which a crash has taken some:
// distribution would refuse to go on with the upload.
func (l local) isTornHint(p string) bool {
	if path.Base(path.Dir(p)) != "sha256" || !isHint(p) {
		return false
	}
	_, err := readState(l.file(p))
	return err != nil
}

// Walk implements storagedriver.StorageDriver.
func (l local) Walk(ctx context.Context, from string, f storagedriver.WalkFn, options ...func(*storagedriver.WalkOptions)) error {
	return l.StorageDriver.Walk(ctx, from, func(info storagedriver.FileInfo) error {
		if blob.IsUploadNote(info.Path()) {
			return nil
		}
		return f(info)
	}, options...)
}

// Delete implements storagedriver.StorageDriver. Uploads that are still being written there
// are ended: distribution leaves writers open when there is no room for its hash state, and
// a file without a name would go on filling the disk.
func (l local) Delete(ctx context.Context, p string) error {
	err := l.StorageDriver.Delete(ctx, p)
	l.blobs.EndUploads(l.file(p))
	if err == nil {
		_ = l.StorageDriver.Delete(ctx, path.Clean(blob.UploadNote(p))) // most have none
		l.prune(path.Dir(p))
	}
	return err
}

// prune removes a directory and those above it that are empty, but none that the next upload
// would make again, to whatever repository it comes.
func (l local) prune(dir string) {
	for dir != "/" && dir != ocipath.Repositories && unix.Rmdir(l.file(dir)) == nil {
		dir = path.Dir(dir)
	}
}

// making runs f again when the directory that it made for a file was pruned before
// the file was in it.
func making(f func() error) error {
	var err error
	for range 100 { // each time another upload ended at that moment
		if err = f(); !isVanished(err) {
			break
		}
	}
	return err
}

func isVanished(err error) bool {
	var wrapped storagedriver.Error // which errors.Is does not look into
	if errors.As(err, &wrapped) {
		err = wrapped.Detail
	}
	// os.MkdirAll reports that a directory exists when that was pruned before it looked again.
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrExist)
}
