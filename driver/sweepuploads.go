package driver

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
)

const (
	sweepEvery = time.Hour
	sweepAge   = 24 * time.Hour // an upload that is being cancelled is younger
)

// uploadSweeper removes what the registry leaves of cancelled uploads: it writes
// a hash state after it deleted the upload, and its own purge then never finds
// the date the upload began (distribution issue 4524).
type uploadSweeper struct {
	root   string
	log    *logrus.Entry
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

func startUploadSweeper(root string, log *logrus.Entry) *uploadSweeper {
	ctx, cancel := context.WithCancel(context.Background())
	s := &uploadSweeper{root: root, log: log, cancel: cancel}
	s.wg.Go(func() { s.run(ctx) })
	return s
}

func (s *uploadSweeper) stop() {
	s.cancel()
	s.wg.Wait()
}

func (s *uploadSweeper) run(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		if err := sweepUploads(ctx, s.root, time.Now().Add(-sweepAge)); err != nil && ctx.Err() == nil {
			s.log.WithError(err).Warn("sweep leftovers of cancelled uploads")
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// sweepUploads removes directories of uploads below root that have no startedat
// and were last changed before the given time, and the directories above uploads
// in which there are none.
func sweepUploads(ctx context.Context, root string, before time.Time) error {
	var dirs []string // each after those it lies in
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || !e.IsDir() {
			return errors.Join(err, ctx.Err())
		}
		if filepath.Base(filepath.Dir(path)) == "_uploads" {
			if err := sweepUpload(path, e, before); err != nil {
				return err
			}
			return fs.SkipDir
		}
		if path != root {
			dirs = append(dirs, path)
		}
		return ctx.Err()
	})
	for _, dir := range slices.Backward(dirs) {
		_ = os.Remove(dir) // which only works on an empty one
	}
	return err
}

func sweepUpload(dir string, e fs.DirEntry, before time.Time) error {
	if _, err := os.Stat(filepath.Join(dir, "startedat")); !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	info, err := e.Info()
	if err != nil || !info.ModTime().Before(before) {
		return nil
	}
	if known, err := isUploadOfOurs(dir); err != nil || !known {
		return err
	}
	return os.RemoveAll(dir)
}

// isUploadOfOurs reports whether in an upload there is nothing that only a later
// release knows.
func isUploadOfOurs(dir string) (bool, error) {
	files, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return !slices.ContainsFunc(files, func(f fs.DirEntry) bool {
		return f.Name() != "data" && f.Name() != "hashstates" && !blob.IsUploadNote(f.Name())
	}), err
}
