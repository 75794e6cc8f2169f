package blob

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-datastore"
	"github.com/sirupsen/logrus"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/room"
)

// Store is the blobs of one directory. It is safe for concurrent use. Its uploads have
// goroutines until they end, or until Close. The datastore belongs to the code that opened
// it.
type Store struct {
	blobs, staging string
	index          index
	hash           *hasher
	log            *logrus.Entry
	locks          locks
	pins           pins
	uses           uses
	proofs         proofs
	rot            rot
	hidden         hidden
	journal        journal
	run            string // names this run of the store, to tell what it wrote itself
	uploads        uploads
	room           *room.Disk

	mu       sync.Mutex
	count    int
	bytes    int64
	gone     int64
	partials map[cid.Cid]*Partial

	function atomic.Uint64 // of new blobs
	moves    atomic.Int64
	extras   atomic.Bool // there may be blocks under extraPrefix
}

// Open opens the blobs under dir, which is made where it is missing: dir/blobs and
// its own files in dir/staging. In store it uses the keys under /blob.
//
// It repairs what a crash left: blobs that were recorded but not yet in their place are
// forgotten, and files without a record are hashed and recorded. It looks at each blob's
// name and size, but not at its bytes.
func Open(dir string, store datastore.Batching, log *logrus.Entry) (*Store, error) {
	s := &Store{
		blobs:    filepath.Join(dir, "blobs"),
		staging:  filepath.Join(dir, "staging"),
		index:    index{store},
		hash:     newHasher(),
		log:      log,
		run:      rand.Text(),
		locks:    locks{held: map[cid.Cid]*lock{}},
		partials: map[cid.Cid]*Partial{},
		room:     room.On(filepath.Join(dir, "staging")),
	}
	s.journal.run, s.journal.wait, s.journal.closing = s.run, journalWait, make(chan struct{})
	s.SetFunction(dag.SHA2)
	for _, d := range []string{s.blobs, s.staging} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, fmt.Errorf("open blobs: %w", err)
		}
	}
	if err := s.recover(context.Background()); err != nil {
		return nil, fmt.Errorf("open blobs: %w", err)
	}
	return s, nil
}

// Close ends the uploads that are still open, as Upload.Close does, and waits for that, and syncs
// the files of small blobs. After it no upload may be written to.
func (s *Store) Close() {
	defer s.journal.close(s)
	if err := s.uploads.close(); err != nil {
		s.log.WithError(err).Warn("the last bytes of an upload are lost: its client has to send them again")
	}
}

// SetFunction makes new blobs be named with f: those of Put, and those of uploads that begin
// from now on. Blobs that are here, or come from other members, keep their CIDs.
func (s *Store) SetFunction(f dag.Function) { s.function.Store(uint64(f)) }

// Function is the function with which new blobs are named. It is SHA2 when the store is
// opened.
func (s *Store) Function() dag.Function { return dag.Function(s.function.Load()) }

// Open opens a whole blob for reading, without verifying it, for a receiver that verifies
// the bytes; the caller closes it. The file stays readable when the blob is deleted
// meanwhile. That is a use of the blob. The error is ErrNotFound when the blob is not here, as
// for Size.
func (s *Store) Open(c cid.Cid) (*File, error) {
	f, err := s.openUsed(c)
	if err != nil {
		return nil, fmt.Errorf("open blob %s: %w", c, err)
	}
	return f, nil
}

func (s *Store) openWhole(c cid.Cid) (*os.File, error) {
	f, err := openQuietly(s.path(c))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil {
		err = s.isWhole(c, info)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Has reports whether the whole blob is here, as Size sees it. Inline CIDs have no
// file: false.
func (s *Store) Has(c cid.Cid) bool {
	_, err := s.Size(c)
	return err == nil
}

// Size is the size in bytes of a whole blob; ErrNotFound when it is not here: when its file
// or its record is missing, when their sizes differ, or when it was set aside.
func (s *Store) Size(c cid.Cid) (int64, error) {
	info, err := os.Stat(s.path(c))
	if errors.Is(err, fs.ErrNotExist) {
		err = ErrNotFound
	}
	if err == nil {
		err = s.isWhole(c, info)
	}
	if err != nil {
		return 0, fmt.Errorf("size of blob %s: %w", c, err)
	}
	return info.Size(), nil
}

// Safe reports whether the whole blob is here, synced, with nothing under way that may change
// that: no installation, deletion or setting aside. It is false now and then for one that is
// safe, and true for none that is not.
func (s *Store) Safe(c cid.Cid) bool {
	// In this order: who puts a file in its place holds the lock until it is synced.
	return s.Has(c) && !s.locks.busy(c)
}

// isWhole returns ErrNotFound for a blob whose file is not all of it. A file that this
// process has verified is whole: its record was written before it, and need not be read at
// each request.
func (s *Store) isWhole(c cid.Cid, info fs.FileInfo) error {
	if s.rot.has(c) {
		return fmt.Errorf("%w: %w", ErrNotFound, ErrRotten)
	}
	if s.hidden.has(c) {
		return ErrNotFound
	}
	if s.proofs.whole(c, stampOf(info)) {
		return nil
	}
	got := info.Size()
	size, recorded, err := s.index.size(context.Background(), c)
	if err == nil && (!recorded || size != got) {
		err = fmt.Errorf("%d bytes on disk, %d in its record: %w", got, size, ErrNotFound)
	}
	return err
}

// whole reports whether a blob is here with its record and all its bytes.
func (s *Store) whole(ref dag.Ref) (bool, error) {
	size, err := s.Size(ref.CID)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil && size == ref.Size, err
}

// Verified reports whether a blob is here and this process has verified all of its bytes
// since its file last changed.
func (s *Store) Verified(ref dag.Ref) bool {
	info, err := os.Stat(s.path(ref.CID))
	return err == nil && info.Size() == ref.Size && !s.rot.has(ref.CID) &&
		s.proofs.whole(ref.CID, stampOf(info))
}

// Room tells how much room is left for more bytes. Uploads and partials ask it themselves.
func (s *Store) Room() *room.Disk { return s.room }

// Usage is the number of whole blobs here and the sum of their sizes in bytes.
func (s *Store) Usage() (blobs int, bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count, s.bytes
}

// Gone is the sum of the sizes of all blobs that were here and went since the store was
// opened, in bytes.
func (s *Store) Gone() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gone
}

// Moves changes whenever a blob has come, gone or been replaced.
func (s *Store) Moves() int64 { return s.moves.Load() }

func (s *Store) account(blobs int, bytes int64) {
	s.moves.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count += blobs
	s.bytes += bytes
	s.gone += max(0, -bytes)
}

// Lock holds the one lock of c until unlock, which may be called more than once.
// PushUpload, Put, Delete, Partial and Partial.Finish take it themselves: do not call
// them for c while holding it.
func (s *Store) Lock(c cid.Cid) (unlock func()) { return s.locks.lock(c) }

// Delete removes a blob, or what has arrived of one that no Partial is open for. Blocks
// that it has in common with other blobs stay theirs. Deleting a blob that is not here is
// no error. Files that are open stay readable.
//
// The error is ErrPinned when the blob is pinned: try again later.
func (s *Store) Delete(ctx context.Context, c cid.Cid) error {
	return s.delete(ctx, c, func(cid.Cid) bool { return false })
}

func (s *Store) delete(ctx context.Context, c cid.Cid, used func(cid.Cid) bool) error {
	if !c.Defined() {
		return nil
	}
	defer s.Lock(c)()
	if err := s.deletable(c); err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	if used(c) {
		return fmt.Errorf("delete blob %s: %w", c, ErrUsed)
	}
	ctx = context.WithoutCancel(ctx)
	size, recorded, err := s.index.size(ctx, c)
	if err != nil {
		return fmt.Errorf("delete blob %s: %w", c, err)
	}
	info, errFile := os.Lstat(s.path(c))
	if errFile == nil && !recorded {
		size = info.Size()
	}
	if err := s.index.drop(ctx, s.journal.of(c)); err != nil {
		return fmt.Errorf("delete blob %s: %w", c, err)
	}
	// The file goes first, because Open repairs a record without a file.
	if err := removeDurably(s.path(c)); err != nil {
		return fmt.Errorf("delete blob: %w", err)
	}
	s.keepNoCopy(info, "")
	if _, open := s.OpenPartial(c); !open {
		if err := s.removePartialFiles(c); err != nil {
			return fmt.Errorf("delete blob: %w", err)
		}
	}
	if err := s.index.remove(ctx, c); err != nil {
		return fmt.Errorf("delete blob %s: %w", c, err)
	}
	s.rot.drop(c)
	s.proofs.forget(c)
	if recorded || errFile == nil {
		s.log.WithField("cid", c).WithField("bytes", size).Debug("a blob was removed from this disk")
		s.account(-1, -size)
	}
	return nil
}

func (s *Store) path(c cid.Cid) string { return filepath.Join(s.blobs, fileName(c)) }

// fileName is a name for c that is never empty, a path or a dot.
func fileName(c cid.Cid) string {
	if !c.Defined() {
		return "undefined"
	}
	return c.String()
}
