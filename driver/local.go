package driver

import (
	"context"
	"path"
	"slices"

	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
)

// local is a filesystem driver under which uploads keep what is known of their
// bytes: files of their own, which are nobody's business.
type local struct{ storagedriver.StorageDriver }

// List implements storagedriver.StorageDriver.
func (l local) List(ctx context.Context, dir string) ([]string, error) {
	paths, err := l.StorageDriver.List(ctx, dir)
	return slices.DeleteFunc(paths, blob.IsUploadNote), err
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

// Delete implements storagedriver.StorageDriver.
func (l local) Delete(ctx context.Context, p string) error {
	err := l.StorageDriver.Delete(ctx, p)
	if err == nil {
		_ = l.StorageDriver.Delete(ctx, path.Clean(blob.UploadNote(p))) // most have none
	}
	return err
}
