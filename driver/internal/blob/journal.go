package blob

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
)

// journalPrefix is where the bytes of small blobs are whose files are not synced yet:
// /<root>/<run>-<number> -> the bytes. They come in the transaction of the blob's entry, and
// are removed once the file is safe on disk.
const journalPrefix = "/blob/journal"

const (
	journalWait  = time.Second     // that files wait to be synced together
	journalRetry = 5 * time.Second // after a failure
	// journalBytes and journalBlobs are the most that the journal holds; more blobs are
	// installed without it.
	journalBytes = 16 << 20
	journalBlobs = 1 << 10
)

// item is a blob in the journal.
type item struct {
	key   datastore.Key
	root  cid.Cid
	size  int64
	maybe bool // its record may not have been written, and then neither its bytes
}

// journal is what is in the datastore under journalPrefix. It has a goroutine while it is not
// empty, until close.
type journal struct {
	mu      sync.Mutex
	wait    time.Duration // before files are synced together
	off     bool          // nothing new is taken
	run     string
	number  uint64
	items   []item
	bytes   int64
	syncing bool
	closing chan struct{}
	closed  bool
	wg      sync.WaitGroup
}

// PlainPushes has small blobs that are pushed be installed as large ones are: for members that
// fetch their bytes before they have an entry. It is called before the first push.
func (s *Store) PlainPushes() {
	s.journal.mu.Lock()
	defer s.journal.mu.Unlock()
	s.journal.off = true
}

// takes reports whether there is room for one more.
func (j *journal) takes() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return !j.closed && !j.off && len(j.items) < journalBlobs && j.bytes < journalBytes
}

// newKey is a key for the bytes of a blob that no push of it had before: bytes that are in the
// journal again are not removed with the older ones.
func (j *journal) newKey(root cid.Cid) datastore.Key {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.number++
	return datastore.RawKey(fmt.Sprintf("%s/%s/%s-%d", journalPrefix, root, j.run, j.number))
}

// add takes an item, to be synced soon.
func (j *journal) add(s *Store, it item) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.items, j.bytes = append(j.items, it), j.bytes+it.size
	if !j.syncing && !j.closed {
		j.syncing = true
		j.wg.Go(func() { j.work(s) })
	}
}

// of are the keys of a blob.
func (j *journal) of(root cid.Cid) (keys []datastore.Key) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, it := range j.items {
		if it.root.Equals(root) {
			keys = append(keys, it.key)
		}
	}
	return keys
}

// work empties the journal again and again while something is in it.
func (j *journal) work(s *Store) {
	for more, retry := true, false; more; {
		j.mu.Lock()
		wait := j.wait
		j.mu.Unlock()
		if retry {
			wait = journalRetry
		}
		select {
		case <-time.After(wait):
		case <-j.closing:
			return
		}
		retry = !j.empty(s)
		j.mu.Lock()
		more = len(j.items) > 0
		j.syncing = more
		j.mu.Unlock()
	}
}

// empty syncs the files of what is in the journal now and removes it; false when some stays.
func (j *journal) empty(s *Store) bool {
	j.mu.Lock()
	items := j.items
	j.mu.Unlock()
	if len(items) == 0 {
		return true
	}
	safe, err := s.syncJournaled(items)
	if err != nil {
		s.log.WithError(err).Debug("files of small blobs are not synced yet: their bytes stay in the datastore")
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	left := items[:0:0]
	for i, it := range items {
		if safe[i] {
			j.bytes -= it.size
		} else {
			left = append(left, it)
		}
	}
	j.items = append(left, j.items[len(items):]...)
	return len(left) == 0
}

// close empties the journal a last time, if possible, and ends it.
func (j *journal) close(s *Store) {
	j.mu.Lock()
	if j.closed {
		j.mu.Unlock()
		return
	}
	j.mu.Unlock()
	j.end()
	j.empty(s)
}

// end stops the goroutine; what is in the journal stays there.
func (j *journal) end() {
	j.mu.Lock()
	j.closed = true
	close(j.closing)
	j.mu.Unlock()
	j.wg.Wait()
}

// syncJournaled makes the files of blobs safe on disk, and then removes their bytes from the
// journal. It reports for which that succeeded.
func (s *Store) syncJournaled(items []item) (safe []bool, err error) {
	safe = make([]bool, len(items))
	for _, it := range items { // the disk can write them all before the first is waited for
		if f, err := os.Open(s.path(it.root)); err == nil {
			beginWriteback(f, 0, it.size)
			_ = f.Close()
		}
	}
	var errs []error
	for i, it := range items {
		if err := s.syncItem(it); err != nil {
			errs = append(errs, err)
		} else {
			safe[i] = true
		}
	}
	if err := syncDir(s.blobs); err != nil {
		return make([]bool, len(items)), err
	}
	var keys []datastore.Key
	for i, it := range items {
		if safe[i] {
			keys = append(keys, it.key)
		}
	}
	err = s.index.drop(context.Background(), keys)
	if err != nil {
		return make([]bool, len(items)), err
	}
	return safe, errors.Join(errs...)
}

// syncItem makes the file of a blob safe on disk. When that fails, its bytes are written
// again, unless the blob was deleted: then they are no longer in the journal.
func (s *Store) syncItem(it item) error {
	ctx := context.Background()
	if it.maybe {
		if err := s.clear(ctx, it); err != nil {
			return err
		}
	}
	if syncFile(s.path(it.root)) == nil {
		return nil
	}
	defer s.Lock(it.root)()
	content, err := s.index.store.Get(ctx, it.key)
	if errors.Is(err, datastore.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = os.Lstat(s.path(it.root))
	lost := errors.Is(err, os.ErrNotExist)
	if err := s.restore(ctx, it.root, content); err != nil {
		return err
	}
	if lost {
		s.account(1, it.size)
	}
	return nil
}

// clear decides what becomes of a push of which it was not known whether it was written: the
// file of one that was not is removed. A failed write may come to light until another one
// succeeds.
func (s *Store) clear(ctx context.Context, it item) error {
	if err := s.index.store.Put(ctx, datastore.RawKey(versionName), []byte(indexVersion)); err != nil {
		return err
	}
	defer s.Lock(it.root)()
	written, err := s.index.store.Has(ctx, it.key)
	if err != nil || written {
		return err
	}
	recorded, err := s.index.has(ctx, it.root)
	if err != nil || recorded || s.pins.has(it.root) {
		return err
	}
	s.account(-1, -it.size)
	return removeFiles(s.path(it.root))
}

// restore writes the file of a blob, and its record, anew, safe on disk. The caller holds the
// lock of its root, or nobody else knows the store yet.
func (s *Store) restore(ctx context.Context, root cid.Cid, content []byte) error {
	f, ok := rootFunction(root)
	if !ok || !dag.Matches(root, content) {
		return nil // of a later release, or damaged: what is there is as good
	}
	sum := f.Sum(content)
	l, inner, err := dag.Profile().Build(f, sum[:], int64(len(content)))
	if err != nil {
		return err
	}
	file, err := s.stage(content)
	if err != nil {
		return err
	}
	s.proofs.forget(root)
	if err := s.overwrite(ctx, file, hashed{Layout: l, inner: inner}); err != nil {
		return errors.Join(err, removeFiles(file))
	}
	s.rot.drop(root)
	return nil
}

// recoverJournal brings back the files that a crash has taken, of blobs whose bytes are in the
// journal. What cannot be written now, for example on a full disk, stays there and is tried
// again.
func (s *Store) recoverJournal(ctx context.Context) error {
	for e, err := range s.index.entries(ctx, query.Query{Prefix: journalPrefix}) {
		if err != nil {
			return err
		}
		key := datastore.RawKey(e.Key)
		root, err := keyRoot(key.Parent().String())
		if err != nil {
			continue // not ours
		}
		if !equalFile(s.path(root), e.Value) {
			if err := s.restore(ctx, root, e.Value); err != nil {
				s.log.WithError(err).WithField("cid", root).Warn("a small blob that a crash took cannot be written again yet: its bytes are kept")
			}
		}
		s.journal.add(s, item{key: key, root: root, size: int64(len(e.Value))})
	}
	return nil
}
