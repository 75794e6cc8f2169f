package driver

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	pathpkg "path"

	storagedriver "github.com/distribution/distribution/v3/registry/storage/driver"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/replica/ack"
)

// Writer implements storagedriver.StorageDriver. On a local path, where all uploads of
// distribution go, the writer is a plain file that grows. On a shared path the bytes are
// staged and gain their entry on Commit; appending to committed content copies it first,
// which distribution never asks for.
func (s *store) Writer(ctx context.Context, path string, appending bool) (storagedriver.FileWriter, error) {
	if err := s.mayOpen(ctx, appending); err != nil {
		return nil, err
	}
	if err := s.engine.SettleHash(ctx); err != nil {
		return nil, err
	}
	if isLocal(path) {
		return s.localWriter(ctx, path, appending)
	}
	if err := s.mayWrite(ctx); err != nil {
		return nil, err
	}
	staged := s.stagedFile(stagedName(path))
	if _, err := os.Stat(staged); errors.Is(err, fs.ErrNotExist) && appending {
		if err := s.stageCommitted(ctx, path, staged); err != nil {
			return nil, err
		}
	}
	u, err := s.blobs.Upload(staged, appending)
	if err != nil {
		return nil, err
	}
	return &writer{upload: upload{Upload: u, s: s, file: staged}, path: path}, nil
}

// localWriter also claims room for the body of the request, if its length is known.
func (s *store) localWriter(ctx context.Context, path string, appending bool) (storagedriver.FileWriter, error) {
	var u *blob.Upload
	file := s.localFile(path)
	err := making(func() (err error) {
		u, err = s.blobs.Upload(file, appending)
		return err
	})
	if err != nil {
		return nil, err
	}
	of := upload{Upload: u, s: s, file: file, from: u.Size()}
	if before, ok := s.returned.take(file, of.from); ok {
		of.from = before
		return &again{upload: of, at: before}, nil
	}
	u.Begun(s.localFile(pathpkg.Join(pathpkg.Dir(path), beginning)))
	n := max(0, requestOf(ctx).length)
	if n > 0 && appending {
		if err := s.withRoom(ctx, n, func() error { return u.Expect(n) }); err != nil {
			return nil, errors.Join(err, u.Close())
		}
	}
	if !s.engine.Acks.Asks() {
		return &of, nil
	}
	return &growing{of, n}, nil
}

// stagedName is where the bytes of a shared path are staged.
func stagedName(path string) string {
	sum := sha256.Sum256([]byte(path))
	return hex.EncodeToString(sum[:])
}

func (s *store) stageCommitted(ctx context.Context, path, staged string) error {
	r, err := s.Reader(ctx, path, 0)
	if isNotFound(err) {
		return err
	}
	if err != nil {
		return fmt.Errorf("append to %s: %w", path, err)
	}
	defer func() { _ = r.Close() }()
	u, err := s.blobs.Upload(staged, false)
	if err != nil {
		return err
	}
	if _, err := io.Copy(u, r); err != nil {
		return fmt.Errorf("append to %s: %w", path, errors.Join(err, u.Cancel()))
	}
	return u.Close()
}

// upload makes a blob.Upload a storagedriver.FileWriter.
type upload struct {
	*blob.Upload
	s    *store
	file string
	from int64 // bytes that its client had sent when it was opened
	kept bool  // Cancel has left it, for its client to end it later
}

// Commit implements storagedriver.FileWriter.
func (u *upload) Commit(context.Context) error { return u.Upload.Commit() }

// Cancel implements storagedriver.FileWriter. distribution calls it after any failure at
// the end of an upload, and deletes the upload after it. When the request was refused, for
// example for lack of room, what was acknowledged stays, so that the client can end its upload
// later; so does an upload that has become a blob already, of which the client knows no more than
// that either.
func (u *upload) Cancel(ctx context.Context) error {
	if refused(ctx) == nil {
		return u.Upload.Cancel()
	}
	keepUpload(ctx)
	u.kept = true
	if err := u.Revert(); !errors.Is(err, blob.ErrUploadOver) {
		return err
	}
	u.s.returned.note(u.file, u.from)
	return nil
}

// Close implements storagedriver.FileWriter.
func (u *upload) Close() error {
	if err := u.Upload.Close(); !u.kept {
		return err
	}
	return nil // its request has failed, and says why
}

// growing is an upload that members may take before it ends.
type growing struct {
	upload
	more int64 // bytes that the request announced; 0: it did not
}

// Write implements io.Writer.
func (u *growing) Write(b []byte) (int, error) {
	n, err := u.upload.Write(b)
	if size := u.Size(); err == nil && size >= earlyFrom {
		u.s.growths.grew(u.file, func() *ack.Early { return u.s.engine.Acks.Early(u.file, u.more) })
	}
	return n, err
}

// Commit implements storagedriver.FileWriter.
func (u *growing) Commit(ctx context.Context) error {
	err := u.upload.Commit(ctx)
	if err == nil {
		u.s.growths.whole(u.file, u.Size())
	}
	return err
}

// Cancel implements storagedriver.FileWriter.
func (u *growing) Cancel(ctx context.Context) error {
	u.s.growths.take(u.file).Stop()
	return u.upload.Cancel(ctx)
}

// writer stages the bytes of a shared path until Commit.
type writer struct {
	upload
	path      string
	committed bool
}

// Commit makes the staged bytes a blob and gives the path its entry.
func (w *writer) Commit(ctx context.Context) error {
	if err := errors.Join(w.upload.Commit(ctx), w.upload.Close()); err != nil {
		return err
	}
	w.committed = true
	want, _ := digestOf(w.path)
	bytes, err := w.s.blobs.PushUpload(ctx, w.file, want, blob.Seen{}, w.s.functionOf(w.path))
	if err != nil {
		return fmt.Errorf("commit %s: %w", w.path, err)
	}
	return w.s.put(ctx, change{path: w.path, ref: bytes.Ref, bytes: bytes})
}

// Close keeps what is not committed for a later append.
func (w *writer) Close() error {
	if w.committed {
		return nil
	}
	return w.upload.Close()
}
