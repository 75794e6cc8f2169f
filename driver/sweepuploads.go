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
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/room"
)

const (
	sweepEvery   = 10 * time.Minute
	sweepAge     = 24 * time.Hour // without a byte
	sweepAgeFull = time.Hour      // likewise, when room is short
)

// uploadSweeper removes uploads that nobody goes on with, and what the registry leaves
// of cancelled ones: it writes a hash state after it deleted the upload, and its own
// purge then never finds the date the upload began (distribution issue 4524).
type uploadSweeper struct {
	root   string
	blobs  *blob.Store
	log    *logrus.Entry
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

func startUploadSweeper(root string, blobs *blob.Store, log *logrus.Entry) *uploadSweeper {
	ctx, cancel := context.WithCancel(context.Background())
	s := &uploadSweeper{root: root, blobs: blobs, log: log, cancel: cancel}
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
		if err := s.sweep(ctx, time.Now().Add(-s.age())); err != nil && ctx.Err() == nil {
			s.log.WithError(err).Warn("cannot remove unfinished uploads")
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// age is how long an upload may lie idle.
func (s *uploadSweeper) age() time.Duration {
	if room.IsFull(s.blobs.Room().Begin()) {
		return sweepAgeFull
	}
	return sweepAge
}

// sweep removes uploads that were last touched before the given time, and the
// directories above uploads in which there are none.
func (s *uploadSweeper) sweep(ctx context.Context, before time.Time) error {
	above, err := eachUpload(ctx, s.root, func(dir string) error {
		idle := func() bool {
			u, err := lookAt(dir)
			return err == nil && u.touched.Before(before)
		}
		return s.blobs.RemoveIdle(filepath.Join(dir, "data"), idle, func() error { return os.RemoveAll(dir) })
	})
	for _, dir := range slices.Backward(above) {
		_ = os.Remove(dir) // which only works on an empty one
	}
	return err
}

// eachUpload calls f with the directory of each upload below root, and gives the
// directories above them, each after those it lies in.
func eachUpload(ctx context.Context, root string, f func(dir string) error) (above []string, err error) {
	err = filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || !e.IsDir() {
			return errors.Join(err, ctx.Err())
		}
		if filepath.Base(filepath.Dir(path)) == "_uploads" {
			if err := f(path); err != nil {
				return err
			}
			return fs.SkipDir
		}
		if path != root {
			above = append(above, path)
		}
		return ctx.Err()
	})
	return above, err
}
