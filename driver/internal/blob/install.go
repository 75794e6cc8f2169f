package blob

import (
	"context"
	"errors"
	"io/fs"
	"os"
)

// install is the third step of every way by which a blob comes here, but for that of a small
// blob that is pushed: it makes a file the blob that h describes, and pins it before it can be
// deleted. The caller holds the lock of its root. On an error the file is still there. When the
// blob is already here, and this process has verified it, the new file is removed instead.
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
	s.noteUse(h.Root) // its bytes may have been long in coming
	return s.pins.add(h.Root), nil
}

// replace gives a blob its record, and its file its name in blobs, whether or not that name
// is taken. Open repairs what a crash between the two leaves.
func (s *Store) replace(ctx context.Context, file string, h hashed) error {
	to := s.path(h.Root)
	recorded, err := s.index.has(ctx, h.Root)
	if err != nil {
		return err
	}
	_, err = os.Lstat(to)
	taken := !errors.Is(err, fs.ErrNotExist)
	s.proofs.forget(h.Root)
	if taken {
		err = s.overwrite(ctx, file, h)
	} else {
		err = s.place(ctx, file, h)
	}
	if err != nil {
		return err
	}
	s.hidden.reveal(h.Root)
	if !recorded && !taken {
		s.account(1, h.Size)
	}
	s.rot.heal(h.Root)
	s.moves.Add(1)
	if info, err := os.Stat(to); err == nil && h.now {
		s.proofs.note(h.Root, stampOf(info))
	}
	if _, open := s.OpenPartial(h.Root); open {
		return nil
	}
	return s.removePartialFiles(h.Root) // of a transfer that was cut before
}

// place installs a blob that is not here. Its bytes, its name and its record become safe on
// disk at the same time, so until all are, the blob counts as not here.
func (s *Store) place(ctx context.Context, file string, h hashed) error {
	to := s.path(h.Root)
	defer s.hidden.add(h.Root)()
	if err := os.Rename(file, to); err != nil {
		return err
	}
	err := together(s.safe(to, h), func() error { return syncDir(s.blobs) }, s.recording(ctx, h))
	if err != nil {
		return errors.Join(err, os.Rename(to, file))
	}
	return nil
}

// overwrite replaces the file of a blob. That may be the only good copy, so it stays until
// the new one is safe on disk.
func (s *Store) overwrite(ctx context.Context, file string, h hashed) error {
	if err := together(s.safe(file, h), s.recording(ctx, h)); err != nil {
		return err
	}
	to := s.path(h.Root)
	if sameFile(file, to) {
		return nil // it was given back, and comes again
	}
	old, _ := os.Lstat(to) // nil: it is gone
	if err := renameDurably(file, to); err != nil {
		return err
	}
	s.keepNoCopy(old, to)
	return nil
}

// safe makes the bytes of a file safe on disk, unless they are.
func (s *Store) safe(file string, h hashed) func() error {
	return func() error {
		if h.synced {
			return nil
		}
		return syncFile(file)
	}
}

func (s *Store) recording(ctx context.Context, h hashed) func() error {
	return func() error { return s.index.addBlob(ctx, h.Layout, h.inner, s.extras.Load()) }
}
