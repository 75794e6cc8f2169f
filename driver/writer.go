package driver

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"

	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"
)

// Writer implements storagedriver.StorageDriver. On a local path, where every
// upload of the registry goes, it is a plain file that grows. On a shared path
// the bytes are staged and gain their entry on Commit; appending to what was
// committed copies it first, which the registry never asks for.
func (s *store) Writer(ctx context.Context, path string, appending bool) (storagedriver.FileWriter, error) {
	if isLocal(path) {
		return s.local.Writer(ctx, path, appending)
	}
	if err := s.mayWrite(); err != nil {
		return nil, err
	}
	staged := stagedName(path)
	_, err := s.staging.Stat(ctx, staged)
	if _, missing := err.(storagedriver.PathNotFoundError); missing && appending {
		if err := s.stageCommitted(ctx, path, staged); err != nil {
			return nil, err
		}
	}
	w, err := s.staging.Writer(ctx, staged, appending)
	if err != nil {
		return nil, err
	}
	return &writer{FileWriter: w, s: s, path: path}, nil
}

// stagedName is where the staging driver keeps the bytes of a shared path.
func stagedName(path string) string {
	sum := sha256.Sum256([]byte(path))
	return "/" + hex.EncodeToString(sum[:])
}

func (s *store) stageCommitted(ctx context.Context, path, staged string) error {
	r, err := s.Reader(ctx, path, 0)
	if _, missing := err.(storagedriver.PathNotFoundError); missing {
		return err
	}
	if err != nil {
		return fmt.Errorf("append to %s: %w", path, err)
	}
	defer func() { _ = r.Close() }()
	w, err := s.staging.Writer(ctx, staged, false)
	if err != nil {
		return err
	}
	if _, err := io.Copy(w, r); err != nil {
		_ = w.Cancel(ctx)
		return fmt.Errorf("append to %s: %w", path, err)
	}
	return w.Close()
}

// writer stages the bytes of a shared path until Commit.
type writer struct {
	storagedriver.FileWriter
	s         *store
	path      string
	committed bool
}

// Commit makes the staged bytes a blob and gives the path its entry.
func (w *writer) Commit(ctx context.Context) error {
	if err := w.FileWriter.Commit(ctx); err != nil {
		return err
	}
	if err := w.FileWriter.Close(); err != nil {
		return err
	}
	w.committed = true
	want, _ := digestOf(w.path)
	ref, err := w.s.blobs.AdoptVerified(ctx, w.s.stagedFile(stagedName(w.path)), want)
	if err != nil {
		return fmt.Errorf("commit %s: %w", w.path, err)
	}
	return w.s.put(ctx, w.path, ref)
}

// Close keeps what is not committed for a later append.
func (w *writer) Close() error {
	if w.committed {
		return nil
	}
	return w.FileWriter.Close()
}
