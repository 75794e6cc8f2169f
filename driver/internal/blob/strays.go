package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/ipfs/go-cid"
)

// Strays are files among the blobs that have no record.
type Strays struct {
	Recorded int    // that are whole blobs, and have a record now
	Left     int    // that are none, and were left alone
	First    string // the name of one of these
}

// AdoptStrays looks for files among the blobs that have no record, as when somebody copied them
// there, or the datastore lost something. Each is hashed; one that is the blob that its name
// says is recorded.
func (s *Store) AdoptStrays(ctx context.Context) (found Strays, err error) {
	d, err := os.Open(s.blobs)
	if err != nil {
		return found, fmt.Errorf("look for stray files: %w", err)
	}
	defer d.Close()
	for err == nil {
		names, end := d.Readdirnames(1000) // not all at once: there may be a million
		for _, name := range names {
			if err = errors.Join(s.adoptStray(ctx, name, &found), ctx.Err()); err != nil {
				break
			}
		}
		if errors.Is(end, io.EOF) {
			return found, err
		}
		err = errors.Join(err, end)
	}
	return found, fmt.Errorf("look for stray files: %w", err)
}

func (s *Store) adoptStray(ctx context.Context, name string, found *Strays) error {
	c, err := cid.Decode(name)
	if err == nil {
		if s.hidden.has(c) { // first: its record comes before it is shown
			return nil
		}
		recorded, err := s.index.has(ctx, c)
		if recorded || err != nil || s.rot.has(c) {
			return err
		}
		adopted, err := s.recordStray(ctx, c)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // it was just being deleted
		case err != nil:
			return err
		case adopted:
			found.Recorded++
			return nil
		}
	}
	if found.Left++; found.First == "" {
		found.First = name
	}
	return nil
}

// recordStray records a file without a record when it is the blob of that CID.
func (s *Store) recordStray(ctx context.Context, c cid.Cid) (bool, error) {
	f, ok := rootFunction(c)
	if !ok {
		return false, nil
	}
	before, err := os.Lstat(s.path(c))
	if err != nil || !before.Mode().IsRegular() {
		return false, err
	}
	h, err := s.hashFile(ctx, s.path(c), "", f, nil)
	if err != nil || !h.Root.Equals(c) {
		return false, err
	}
	defer s.Lock(c)()
	if now, err := os.Lstat(s.path(c)); err != nil || stampOf(now) != stampOf(before) {
		return false, err
	}
	if recorded, err := s.index.has(ctx, c); recorded || err != nil {
		return true, err // it was pushed just now
	}
	unpin, err := s.install(ctx, s.path(c), h)
	unpin()
	if err == nil {
		s.account(1, h.Size)
	}
	return err == nil, err
}
