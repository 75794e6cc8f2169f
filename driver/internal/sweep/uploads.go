package sweep

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/room"
)

// Every is the time between two sweeps.
const Every = 10 * time.Minute

const (
	idleAge     = 24 * time.Hour // without a byte
	idleAgeFull = time.Hour      // likewise, when room is short
)

// Uploads removes abandoned uploads, what writers of shared paths left staged, and what
// distribution leaves of canceled uploads: it writes a hash state after it deleted the
// upload, and its own purge then never finds the date on which the upload began
// (distribution issue 4524).
//
// It measures how long an upload has been idle in time that this process ran, because the
// clock may be changed by days while a client is uploading. The times of files count only
// for what was idle before the start.
type Uploads struct {
	root   string // of uploads
	staged string // where writers of shared paths stage their bytes
	blobs  *blob.Store
	log    *logrus.Entry
	began  time.Time
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	swept bool
	seen  map[string]sighting // by the upload's directory, or the staged file
}

// sighting is an upload as it was when a sweep saw it changed.
type sighting struct {
	lookedAt
	at     time.Duration // since the sweeper began
	before time.Duration // for which it had been idle then
}

// moment is when a sweep begins: by the clock, and since the sweeper began.
type moment struct {
	clock time.Time
	ran   time.Duration
}

// NewUploads makes a sweeper of the uploads below root, and of the files directly below
// staged. It does nothing before Start.
func NewUploads(root, staged string, blobs *blob.Store, log *logrus.Entry) *Uploads {
	s := &Uploads{
		root: root, staged: staged, blobs: blobs, log: log, began: time.Now(), seen: map[string]sighting{},
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// Start sweeps at once, and then again and again until Close.
func (s *Uploads) Start() { s.wg.Go(s.run) }

// Close ends a running sweep, and waits for it. It may be called again, and without Start.
func (s *Uploads) Close() {
	s.cancel()
	s.wg.Wait()
}

func (s *Uploads) run() {
	tick := time.NewTicker(Every)
	defer tick.Stop()
	for {
		if err := s.Sweep(s.ctx, time.Now(), time.Since(s.began)); err != nil && s.ctx.Err() == nil {
			s.log.WithError(err).Warn("cannot remove unfinished uploads")
		}
		select {
		case <-tick.C:
		case <-s.ctx.Done():
			return
		}
	}
}

// age is how long an upload may lie idle.
func (s *Uploads) age() time.Duration {
	if room.IsFull(s.blobs.Room().Begin()) {
		return idleAgeFull
	}
	return idleAge
}

// Sweep removes uploads that have been idle for long enough, and the directories above
// uploads in which there are none. An upload that no earlier sweep has seen as it is stays:
// after a start its client may be about to go on. The moment of the sweep is given by the
// clock, and as the time since NewUploads. One sweep runs at a time.
func (s *Uploads) Sweep(ctx context.Context, clock time.Time, ran time.Duration) error {
	now := moment{clock, ran}
	age, seen := s.age(), map[string]sighting{}
	above, err := eachUpload(ctx, s.root, func(dir string) error {
		return s.visit(dir, filepath.Join(dir, "data"), now, age, seen)
	})
	if err == nil {
		err = eachStaged(ctx, s.staged, func(file string) error { return s.visit(file, file, now, age, seen) })
	}
	if err != nil { // the sweep ended early
		maps.Copy(s.seen, seen)
	} else {
		s.seen = seen
	}
	s.swept = true
	for _, dir := range slices.Backward(above) {
		_ = os.Remove(dir) // which only works on an empty one
	}
	return err
}

// visit removes what lies at a place, an upload with that file or the file alone, when it has
// been idle for longer than age, and otherwise notes it in seen.
func (s *Uploads) visit(at, file string, now moment, age time.Duration, seen map[string]sighting) error {
	u, err := lookAt(at)
	if err != nil {
		return nil // it has ended, or is looked at again by the next sweep
	}
	last, ok := s.seen[at]
	if !ok || !last.same(u) {
		seen[at] = s.sight(u, now)
		return nil
	}
	seen[at] = last
	if last.before+now.ran-last.at < age {
		return nil
	}
	idle := func() bool {
		u, err := lookAt(at)
		return err == nil && last.same(u)
	}
	return s.blobs.RemoveIdle(file, idle, func() error {
		return errors.Join(os.RemoveAll(at), os.RemoveAll(blob.UploadNote(file)))
	})
}

// sight notes a change of an upload. One that the first sweep sees is of an earlier run,
// and only the clock tells for how long it has been idle.
func (s *Uploads) sight(u lookedAt, now moment) sighting {
	found := sighting{lookedAt: u, at: now.ran}
	if !s.swept {
		found.before = max(0, now.clock.Sub(u.touched))
	}
	return found
}

// eachStaged calls f with each file that a writer of a shared path staged in dir.
func eachStaged(ctx context.Context, dir string, f func(file string) error) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if err == nil && !blob.IsUploadNote(e.Name()) {
			err = errors.Join(f(filepath.Join(dir, e.Name())), ctx.Err())
		}
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
