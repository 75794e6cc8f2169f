package blob

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/minio/sha256-simd"
	"github.com/opencontainers/go-digest"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/filesystem"
)

// Way is how the bytes of a file came into the store.
type Way int

// The ways, the cheapest first.
const (
	Cloned Way = iota // they are shared with the file, until one of both is written (a reflink)
	Linked            // the blob is a second name of the file
	Copied
)

// MinLinked is the least size in bytes of a file that becomes a blob by a second name. A smaller
// one may be a manifest, which early releases of distribution write in place; what is larger they
// only ever rename.
const MinLinked = 4<<20 + 1

// PushFile makes a blob of a plain file elsewhere on this machine, and leaves the file as it is:
// from is open for reading. Where the filesystem can, the blob shares the file's bytes, else they are
// copied. They are read once. links allows a second name for the file itself, when this
// user owns it: then nobody may write to it any more. read is called as bytes are read, unless it is nil.
// Otherwise it is as PushUpload.
func (s *Store) PushFile(ctx context.Context, from *os.File, want digest.Digest, f dag.Function, links bool, read func(bytes int64)) (*Push, Way, error) {
	p, way, err := s.pushFile(ctx, from, want, f, links, read)
	if err != nil {
		return nil, way, fmt.Errorf("take %s: %w", from.Name(), err)
	}
	return p, way, nil
}

// PushStream is PushFile for bytes that come from elsewhere: it reads size of them, and copies them. The
// error is io.ErrUnexpectedEOF when there are fewer.
func (s *Store) PushStream(ctx context.Context, from io.Reader, size int64, want digest.Digest, f dag.Function) (*Push, error) {
	file := filepath.Join(s.staging, strings.TrimSuffix(putPattern, "*")+rand.Text())
	seen, err := s.copyTo(io.LimitReader(streamIn{ctx, from}, size), size, file)
	var p *Push
	if err == nil {
		p, err = s.PushUpload(ctx, file, want, seen, f)
	}
	if err != nil {
		return nil, fmt.Errorf("take %d bytes: %w", size, errors.Join(err, removeFiles(file), s.unnote(file)))
	}
	return p, nil
}

func (s *Store) pushFile(ctx context.Context, from *os.File, want digest.Digest, f dag.Function, links bool, read func(int64)) (*Push, Way, error) {
	info, err := from.Stat()
	if err != nil {
		return nil, Copied, err
	}
	if !info.Mode().IsRegular() {
		return nil, Copied, fmt.Errorf("not a plain file: %s", info.Mode())
	}
	file := filepath.Join(s.staging, strings.TrimSuffix(putPattern, "*")+rand.Text())
	way, seen, err := s.fetchFile(ctx, from, info, file, links, read)
	var p *Push
	if err == nil {
		p, err = s.PushUpload(ctx, file, want, seen, f)
	}
	if err != nil {
		return nil, way, errors.Join(err, removeFiles(file), s.unnote(file))
	}
	return p, way, nil
}

// fetchFile makes a staged file with the bytes of another one.
func (s *Store) fetchFile(ctx context.Context, from *os.File, info os.FileInfo, file string, links bool, read func(int64)) (Way, Seen, error) {
	if s.cloneTo(from, file) == nil {
		return Cloned, Seen{read: read}, nil
	}
	if links && isOurs(info) && info.Size() >= MinLinked && s.linkTo(from, file) == nil {
		return Linked, Seen{read: read}, nil
	}
	seen, err := s.copyTo(io.NewSectionReader(counted{whileIn(ctx, from), read}, 0, info.Size()), info.Size(), file)
	return Copied, seen, err
}

// isOurs reports whether this user owns a file, and may read and write it: a blob is opened for both.
func isOurs(info os.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Geteuid() && info.Mode().Perm()&0o600 == 0o600
}

func (s *Store) cloneTo(from *os.File, file string) error {
	to, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err = errors.Join(filesystem.Clone(to, from), to.Close()); err != nil {
		return errors.Join(err, removeFiles(file))
	}
	return nil
}

// linkTo gives an open file one more name.
func (s *Store) linkTo(from *os.File, file string) error {
	if err := filesystem.Link(from, file); err != nil {
		return err
	}
	a, errA := from.Stat()
	b, errB := os.Lstat(file)
	if err := cmp.Or(errA, errB); err != nil || !os.SameFile(a, b) {
		return errors.Join(errors.ErrUnsupported, err, removeFiles(file))
	}
	return nil
}

// copyTo writes all that a reader gives, which is size bytes, into a staged file. What has more than one
// leaf is hashed meanwhile.
func (s *Store) copyTo(from io.Reader, size int64, file string) (seen Seen, err error) {
	u, err := s.Upload(file, false)
	if err != nil {
		return seen, err
	}
	var to io.Writer = u
	var sum hash.Hash
	if size > dag.LeafSize {
		sum = sha256.New()
		to = io.MultiWriter(u, sum)
	}
	if err = u.Expect(size); err == nil {
		seen.Size, err = io.Copy(to, from)
	}
	if err == nil && seen.Size != size {
		err = io.ErrUnexpectedEOF
	}
	if err == nil {
		err = u.Commit()
	}
	if err != nil {
		return seen, errors.Join(err, u.Cancel())
	}
	seen.Sum = sum
	return seen, u.Close()
}

// whileIn reads until a context ends.
func whileIn(ctx context.Context, r io.ReaderAt) io.ReaderAt { return readerIn{ctx, r} }

type readerIn struct {
	ctx context.Context
	io.ReaderAt
}

// ReadAt implements io.ReaderAt.
func (r readerIn) ReadAt(b []byte, offset int64) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.ReaderAt.ReadAt(b, offset)
}

// streamIn reads until a context ends.
type streamIn struct {
	ctx context.Context
	io.Reader
}

// Read implements io.Reader.
func (r streamIn) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(b)
}
