package blob

import (
	"context"
	"errors"
	"io/fs"
	"os"
)

// install is the third step of every way by which a blob comes here: it makes a synced file
// the blob that h describes, and pins it before it can be deleted. The caller holds the lock
// of its root. On an error the file is still there. When the blob is already here, and this
// process has verified it, the new file is removed instead.
func (s *Store) install(ctx context.Context, file string, h hashed) (Unpin, error) {
	// An installation that has begun runs to its end: half of one would be useless.
	ctx = context.WithoutCancel(ctx)
	var err error
	if s.Verified(h.ref()) && !sameFile(file, s.path(h.Root)) {
		err = removeFiles(file)
	} else {
		err = s.replace(ctx, file, h)
	}
	if err != nil {
		return noPin, err
	}
	return s.pins.add(h.Root), nil
}

// replace records a blob, and then gives its file its name in blobs, whether or not that name
// is taken. Open repairs what a crash between the two leaves.
func (s *Store) replace(ctx context.Context, file string, h hashed) error {
	to := s.path(h.Root)
	recorded, err := s.index.has(ctx, h.Root)
	if err != nil {
		return err
	}
	if err := s.index.addBlob(ctx, h.Layout, h.inner, s.extras.Load()); err != nil {
		return err
	}
	if _, err := os.Lstat(to); !recorded && errors.Is(err, fs.ErrNotExist) {
		s.account(1, h.Size)
	}
	s.proofs.forget(h.Root)
	if err := renameDurably(file, to); err != nil {
		return err
	}
	s.rot.drop(h.Root)
	if info, err := os.Stat(to); err == nil && h.now {
		s.proofs.note(h.Root, stampOf(info))
	}
	if _, open := s.OpenPartial(h.Root); open {
		return nil
	}
	return s.removePartialFiles(h.Root) // of a transfer that was cut before
}
