package driver

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/ocipath"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// child is a direct child of a directory, shared, local or both.
type child struct {
	path  string
	local bool
	entry pathmap.Entry
	dir   bool
}

// List implements storagedriver.StorageDriver.
func (s *store) List(ctx context.Context, dir string) ([]string, error) {
	if isLocal(dir) {
		return s.local.List(ctx, dir)
	}
	if err := s.mayList(ctx); err != nil {
		return nil, err
	}
	names := []string{}
	err := s.children(dir, "", s.paths.View(), func(c child) bool {
		names = append(names, c.path)
		return true
	})
	if err != nil {
		return nil, err
	}
	if len(names) == 0 && dir != "/" && !s.hasLocalDir(dir) && !s.hasNoTags(dir) {
		return nil, notFound(dir)
	}
	return names, nil
}

// mayList waits, in a request, until this registry has caught up, so that a list lacks
// nothing. Lists that distribution reads for itself, such as those of uploads to purge, are
// of local paths, or may be incomplete.
func (s *store) mayList(ctx context.Context) error {
	if requestOf(ctx).method == "" {
		return nil
	}
	return s.awaitJoined(ctx)
}

// children merges the shared and the local children of a directory whose names come after
// `after`, in the order of their names.
func (s *store) children(dir, after string, view pathmap.View, f func(child) bool) error {
	local, err := s.localChildren(dir, after)
	if err != nil {
		return err
	}
	stopped := false
	emit := func(c child) bool {
		stopped = !f(c)
		return !stopped
	}
	view.Children(dir, after, func(c pathmap.Child) bool {
		for len(local) > 0 && local[0] < c.Path {
			if !emit(child{path: local[0], local: true, dir: true}) {
				return false
			}
			local = local[1:]
		}
		if len(local) > 0 && local[0] == c.Path {
			local = local[1:]
		}
		return emit(child{path: c.Path, entry: c.Entry, dir: c.Dir})
	})
	for _, p := range local {
		if stopped || !emit(child{path: p, local: true, dir: true}) {
			break
		}
	}
	return nil
}

// localChildren lists the local directories in a shared one: those that lead to _uploads.
// The state file of a pull-through cache is not listed.
func (s *store) localChildren(dir, after string) ([]string, error) {
	entries, err := os.ReadDir(s.localFile(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, e := range entries { // sorted by name
		if e.IsDir() && e.Name() > after {
			paths = append(paths, path.Join(dir, e.Name()))
		}
	}
	return paths, nil
}

func (s *store) hasLocalDir(p string) bool {
	info, err := os.Stat(s.localFile(p))
	return err == nil && info.IsDir()
}

func fileInfo(p string, e pathmap.Entry) storagedriver.FileInfo {
	return storagedriver.FileInfoInternal{FileInfoFields: storagedriver.FileInfoFields{Path: p, Size: e.Size, ModTime: e.ModTime}}
}

// dirInfo describes a directory, which exists only as long as something lies below it.
func dirInfo(p string) storagedriver.FileInfo {
	return storagedriver.FileInfoInternal{FileInfoFields: storagedriver.FileInfoFields{Path: p, IsDir: true, ModTime: time.Time{}}}
}

// walksEmpty reports whether a missing directory walks as an empty one: the
// registry walks them before anything was pushed.
func walksEmpty(p string) bool {
	base := path.Base(p)
	return base == "_layers" || base == "repositories" || base == "blobs" || strings.HasSuffix(p, "/_manifests/revisions/sha256")
}

// hasNoTags reports whether a missing directory is that of the tags of an existing
// repository. Deleted tags leave no directory here, as they do on a disk.
func (s *store) hasNoTags(p string) bool {
	dir := ocipath.Parse(p).Repository
	return dir != "" && p == ocipath.Tags(dir) && s.isRepository(dir)
}
