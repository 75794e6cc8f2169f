package blob

import (
	"context"
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
)

// Store is the blobs of one directory. It is safe for concurrent use. Its uploads have
// goroutines until they end, or Close; the datastore is its opener's.
type Store struct {
	blobs, staging string
	index          index
	hash           *hasher
	log            *logrus.Entry
	locks          locks
	uploads        uploads

	mu       sync.Mutex
	count    int
	bytes    int64
	partials map[cid.Cid]*Partial

	function atomic.Uint64 // of new blobs
	extras   atomic.Bool   // there may be blocks under extraPrefix
	rotten   sync.Map      // roots already warned of
}

// Open opens the blobs under dir, which is made where it is missing: dir/blobs and
// its own files in dir/staging. In store it uses the keys under /blob.
//
// What a crash left is put right: blobs recorded but not yet in their place are
// forgotten, files without a record are hashed and recorded. It looks at each
// blob's name and size, not at its bytes.
func Open(dir string, store datastore.Batching, log *logrus.Entry) (*Store, error) {
	s := &Store{
		blobs:    filepath.Join(dir, "blobs"),
		staging:  filepath.Join(dir, "staging"),
		index:    index{store},
		hash:     newHasher(),
		log:      log,
		locks:    locks{held: map[cid.Cid]*lock{}},
		partials: map[cid.Cid]*Partial{},
	}
	s.SetFunction(SHA2)
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

// Close ends the uploads that are still open, as Upload.Close does, and waits for that;
// nobody writes to one any more.
func (s *Store) Close() { s.uploads.close() }

// SetFunction has new blobs named with f: those of Adopt and Put, and those of uploads
// that begin from now on. Blobs that are here, or come from elsewhere, keep their CIDs.
func (s *Store) SetFunction(f Function) { s.function.Store(uint64(f)) }

// Function is what new blobs are named with. It is SHA2 when the store is opened.
func (s *Store) Function() Function { return Function(s.function.Load()) }

// Open opens a whole blob for reading; the caller closes it. It stays readable
// when the blob is deleted meanwhile. ErrNotFound when the blob is not here.
func (s *Store) Open(c cid.Cid) (*os.File, error) {
	f, err := os.Open(s.path(c))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open blob %s: %w", c, ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("open blob: %w", err)
	}
	return f, nil
}

// Has says whether the whole blob is here. Inline CIDs have no file: false.
func (s *Store) Has(c cid.Cid) bool {
	_, err := s.Size(c)
	return err == nil
}

// Size is the size in bytes of a whole blob; ErrNotFound when it is not here.
func (s *Store) Size(c cid.Cid) (int64, error) {
	info, err := os.Stat(s.path(c))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("size of blob %s: %w", c, ErrNotFound)
	}
	if err != nil {
		return 0, fmt.Errorf("size of blob: %w", err)
	}
	return info.Size(), nil
}

// Usage is the number of whole blobs here and the sum of their sizes in bytes.
func (s *Store) Usage() (blobs int, bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count, s.bytes
}

func (s *Store) account(blobs int, bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count += blobs
	s.bytes += bytes
}

// Lock holds the one lock of c until unlock, which may be called more than once.
// Adopt, Put, Delete, Partial and Partial.Finish take it themselves: do not call
// them for c while holding it.
func (s *Store) Lock(c cid.Cid) (unlock func()) { return s.locks.lock(c) }

// Delete removes a blob, or what has arrived of one that no Partial is open for.
// Blocks that other blobs have in common with it stay theirs. A blob that is not
// here is no error. Files that are open stay readable.
func (s *Store) Delete(ctx context.Context, c cid.Cid) error {
	if !c.Defined() {
		return nil
	}
	defer s.Lock(c)()
	ctx = context.WithoutCancel(ctx)
	size, recorded, err := s.index.size(ctx, c)
	if err != nil {
		return fmt.Errorf("delete blob %s: %w", c, err)
	}
	// The file goes first: a record without a file is what Open puts right.
	if err := removeDurably(s.path(c)); err != nil {
		return fmt.Errorf("delete blob: %w", err)
	}
	if _, open := s.OpenPartial(c); !open {
		if err := s.removePartialFiles(c); err != nil {
			return fmt.Errorf("delete blob: %w", err)
		}
	}
	if err := s.index.remove(ctx, c); err != nil {
		return fmt.Errorf("delete blob %s: %w", c, err)
	}
	if recorded {
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
