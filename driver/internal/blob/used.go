package blob

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"sync"
	"time"

	"github.com/ipfs/go-cid"
	"golang.org/x/sys/unix"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
)

// usePrecision is how exactly the last use of a blob is known: it is written at most this often.
const usePrecision = 10 * time.Minute

// File is the open file of a whole blob. The blob is in use until it is closed.
type File struct {
	*os.File
	end func()
}

// Close implements io.Closer.
func (f *File) Close() error {
	defer f.end()
	return f.File.Close()
}

// uses counts the open files of each blob.
type uses struct {
	mu   sync.Mutex
	open map[cid.Cid]int
}

func (u *uses) begin(c cid.Cid) (end func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.open == nil {
		u.open = map[cid.Cid]int{}
	}
	u.open[c]++
	return sync.OnceFunc(func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		if u.open[c]--; u.open[c] == 0 {
			delete(u.open, c)
		}
	})
}

func (u *uses) has(c cid.Cid) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.open[c] > 0
}

// openUsed opens a whole blob for somebody who uses it.
func (s *Store) openUsed(c cid.Cid) (*File, error) {
	end := s.uses.begin(c) // first: what is deleted after it is opened stays readable
	f, err := s.openWhole(c)
	if err != nil {
		end()
		return nil, err
	}
	s.noteUse(c)
	return &File{f, end}, nil
}

// OpenQuietly opens a whole blob as Open does, but is no use of it: pin a blob that is not to go.
func (s *Store) OpenQuietly(c cid.Cid) (*os.File, error) {
	f, err := s.openWhole(c)
	if err != nil {
		return nil, fmt.Errorf("open blob %s: %w", c, err)
	}
	return f, nil
}

// noteUse writes down that a blob is used now, as its file's access time: that takes no memory
// and no transaction, works on a full disk, and is there after a restart. Nothing else of this
// process sets this time, on whatever kind of mount (openQuietly).
func (s *Store) noteUse(c cid.Cid) {
	last, err := lastUse(s.path(c))
	if err != nil {
		return
	}
	if ago := time.Since(last); ago < 0 || ago >= usePrecision {
		// Where it fails the blob leaves the cache too early.
		_ = os.Chtimes(s.path(c), time.Now(), time.Time{})
	}
}

func lastUse(file string) (time.Time, error) {
	var st unix.Stat_t
	if err := unix.Stat(file, &st); err != nil {
		return time.Time{}, err
	}
	return time.Unix(st.Atim.Unix()), nil
}

// LastUse is when a blob was last read by a client or by a member, or came: to within ten
// minutes, and by the clock as it was set then. The error is ErrNotFound when it is not here.
func (s *Store) LastUse(c cid.Cid) (time.Time, error) {
	t, err := lastUse(s.path(c))
	if errors.Is(err, fs.ErrNotExist) {
		err = ErrNotFound
	}
	if err != nil {
		return t, fmt.Errorf("last use of blob %s: %w", c, err)
	}
	return t, nil
}

// Held is a blob on this disk.
type Held struct {
	dag.Ref
	Used time.Time // as of LastUse
	// Remnant is what a transfer left that ended early: a part of the blob, as large as Size
	// says, that nobody is served from.
	Remnant bool
}

// All yields the blobs that are here whole, and then the remnants of others. It ends with the
// first error.
func (s *Store) All(ctx context.Context) iter.Seq2[Held, error] {
	return func(yield func(Held, error) bool) {
		for ref, err := range s.index.refs(ctx, rootPrefix) {
			used, gone := lastUse(s.path(ref.CID))
			if err == nil && (gone != nil || s.rot.has(ref.CID)) {
				continue
			}
			if !yield(Held{Ref: ref, Used: used}, err) || err != nil {
				return
			}
		}
		for ref, err := range s.index.refs(ctx, partialPrefix) {
			file := s.partialPath(ref.CID)
			info, gone := os.Stat(file)
			if _, open := s.OpenPartial(ref.CID); err == nil && (gone != nil || open || s.rot.has(ref.CID)) {
				continue
			}
			h := Held{Ref: ref, Remnant: true}
			if err == nil {
				h.Size, h.Used = allocated(file), info.ModTime()
			}
			if !yield(h, err) || err != nil {
				return
			}
		}
	}
}

// DeleteIdle is DeleteUnused, and fails with ErrUsed as well while somebody reads the blob.
func (s *Store) DeleteIdle(ctx context.Context, c cid.Cid, used func(cid.Cid) bool) error {
	return s.delete(ctx, c, func(c cid.Cid) bool { return s.uses.has(c) || used(c) })
}

// DeleteRemnant deletes what a transfer left. It fails with ErrUsed when the blob is being
// fetched again, is here whole, or was set aside.
func (s *Store) DeleteRemnant(ctx context.Context, c cid.Cid) error {
	return s.delete(ctx, c, func(c cid.Cid) bool {
		_, open := s.OpenPartial(c)
		return open || s.rot.has(c) || s.Has(c)
	})
}

// DeleteBroken deletes what is left of a blob that is damaged, or whose file is lost. It fails with
// ErrUsed when used returns true, as DeleteUnused does, or when the blob is whole again by now.
func (s *Store) DeleteBroken(ctx context.Context, c cid.Cid, used func(cid.Cid) bool) error {
	return s.delete(ctx, c, func(c cid.Cid) bool { return s.Has(c) || used(c) })
}
