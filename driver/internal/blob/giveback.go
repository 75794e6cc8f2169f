package blob

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
)

// giveBack makes the file of an upload again from the blob that was made of it: a second name of
// the blob's file, which takes no room. The file can be made a blob again, but not be written.
func (s *Store) giveBack(ref dag.Ref, file string) error {
	if err := os.Link(s.path(ref.CID), file); err != nil {
		return fmt.Errorf("give back upload: %w", err)
	}
	return nil
}

// keepNoCopy is called when a blob's file is gone, as info describes it, or was replaced by the
// file at now: uploads to which it was given back get that one, or lose theirs, because nobody
// may ever end them, and the bytes would stay. An upload of which a blob is being made keeps its
// file. The caller holds the lock of the blob's root.
func (s *Store) keepNoCopy(info os.FileInfo, now string) {
	if info == nil || !isShared(info) {
		return
	}
	err := filepath.WalkDir(s.staging, func(file string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) || err == nil && !e.Type().IsRegular() {
			return nil
		}
		if err != nil {
			return err
		}
		if other, err := e.Info(); err != nil || !os.SameFile(info, other) || s.uploads.busy(file) {
			return nil // one that is gone is no copy
		}
		if err := errors.Join(removeFiles(file), s.unnote(file)); err != nil || now == "" {
			return err
		}
		return os.Link(now, file)
	})
	if err != nil {
		s.log.WithError(err).Warn("the bytes of a blob stay in an upload that was refused, until it is swept")
	}
}

// busy reports whether a file is being written or made a blob.
func (w *uploads) busy(file string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.by[file] != nil || w.adopted[file] > 0
}
