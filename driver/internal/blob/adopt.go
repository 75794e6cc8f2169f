package blob

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"

	blocks "github.com/ipfs/go-block-format"
	"github.com/minio/sha256-simd"
	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
)

// putPattern names the staged files of Put; Open removes leftovers.
const putPattern = ".blob-put-*"

// adopt makes a blob of a plain file, which must not be written any more.
func (s *Store) adopt(ctx context.Context, file string, f dag.Function) (dag.Ref, Unpin, error) {
	l, inner, err := s.hashStaged(ctx, file, "", f)
	if err != nil {
		return dag.Ref{}, noPin, fmt.Errorf("adopt %s: %w", file, err)
	}
	return s.installPinned(ctx, file, hashed{l, inner, true})
}

// hashed is the result of hashing a staged file, in this run of the store or before it.
type hashed struct {
	*dag.Layout
	inner []blocks.Block
	now   bool
}

// installPinned makes a blob of a file, and pins it before it can be deleted.
func (s *Store) installPinned(ctx context.Context, file string, h hashed) (dag.Ref, Unpin, error) {
	defer s.Lock(h.Root)()
	if err := s.install(ctx, file, h); err != nil {
		return dag.Ref{}, noPin, fmt.Errorf("adopt %s: %w", file, err)
	}
	return dag.Ref{CID: h.Root, Size: h.Size}, s.pins.add(h.Root), nil
}

func noPin() {}

// Seen is the sha2-256 of the first Size bytes of an upload, as computed outside this
// package while they came; a nil Sum means that there is none.
type Seen struct {
	Sum  hash.Hash
	Size int64
}

// AdoptUpload makes a blob of a plain file under dir/staging: the file of an Upload (which
// ends if it is still open), or any other that is not written any more. The file is indexed
// and renamed, is safe on disk when AdoptUpload returns, and is pinned until Unpin. When
// the blob is here already, the file replaces the old one, unless this process has verified
// that: then the new file is removed. On an error the file is still there. The error is
// ErrDigestMismatch when its bytes do not have the digest want; an empty want checks
// nothing.
//
// Bytes that were hashed while they came are not read again, unless the file was changed
// since. So the CID is made with the function that the store had when the upload began, or
// with f unless that is 0.
//
// When seen covers all that was written, no more than one leaf is read to check the digest
// want.
func (s *Store) AdoptUpload(ctx context.Context, file string, want digest.Digest, seen Seen, f dag.Function) (dag.Ref, Unpin, error) {
	live, done, err := s.uploads.adopt(file)
	defer done()
	if err != nil {
		return dag.Ref{}, noPin, fmt.Errorf("adopt %s: %w", file, err)
	}
	if live {
		seen = Seen{} // its last bytes came after what was seen
	}
	h, err := s.hashedUpload(file, want, seen, f)
	if errors.Is(err, errUnknown) {
		h.now = true
		h.Layout, h.inner, err = s.hashStaged(ctx, file, want, cmp.Or(f, s.Function()))
	}
	if err != nil {
		return dag.Ref{}, noPin, fmt.Errorf("adopt %s: %w", file, err)
	}
	ref, unpin, err := s.installPinned(ctx, file, h)
	if err != nil {
		return dag.Ref{}, noPin, err
	}
	// The name of a file that GiveBack made is still there.
	if err := removeFiles(file, UploadNote(file)); err != nil {
		unpin()
		return dag.Ref{}, noPin, fmt.Errorf("adopt %s: %w", file, err)
	}
	return ref, unpin, nil
}

// hashedUpload makes the layout from what is known of an upload; errUnknown when that is
// not enough.
func (s *Store) hashedUpload(file string, want digest.Digest, seen Seen, f dag.Function) (h hashed, err error) {
	info, err := os.Lstat(file)
	if err != nil {
		return h, err
	}
	k, err := readKnown(file)
	if err != nil || !info.Mode().IsRegular() || !k.describes(info) || f != 0 && f != k.function() {
		return h, errUnknown
	}
	check, err := newCheck(want, k.Size, k.function())
	if err != nil {
		return h, err
	}
	if check.whole != nil {
		if seen.Sum == nil || seen.Size != k.Size || k.Reread || want.Algorithm() != digest.SHA256 {
			return h, errUnknown
		}
		check.whole = seen.Sum
	}
	if err := check.result(k.Sums); err != nil {
		return h, err
	}
	h.now = k.Run == s.run
	h.Layout, h.inner, err = dag.Profile().Build(k.function(), k.Sums, k.Size)
	return h, err
}

// Put makes a blob of content, which is held in memory: a manifest, not a layer. Nothing
// pins it.
func (s *Store) Put(ctx context.Context, content []byte) (dag.Ref, error) {
	ref, unpin, err := s.PutAs(ctx, content, 0)
	unpin()
	return ref, err
}

// PutAs is Put with that function; 0: the store's. The blob is pinned until Unpin.
func (s *Store) PutAs(ctx context.Context, content []byte, function dag.Function) (dag.Ref, Unpin, error) {
	function = cmp.Or(function, s.Function())
	if ref, unpin, ok := s.known(content, function); ok {
		return ref, unpin, nil
	}
	f, err := os.CreateTemp(s.staging, putPattern)
	if err != nil {
		return dag.Ref{}, noPin, fmt.Errorf("put: %w", err)
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Close()); err == nil {
		var ref dag.Ref
		var unpin Unpin
		if ref, unpin, err = s.adopt(ctx, f.Name(), function); err == nil {
			return ref, unpin, nil
		}
	}
	return dag.Ref{}, noPin, fmt.Errorf("put: %w", errors.Join(err, removeFiles(f.Name())))
}

// known reports whether content of one leaf is already a blob here, with exactly these
// bytes.
func (s *Store) known(content []byte, f dag.Function) (dag.Ref, Unpin, bool) {
	if len(content) > dag.LeafSize {
		return dag.Ref{}, noPin, false
	}
	sum := f.Sum(content)
	ref := dag.Ref{CID: f.LeafCID(sum[:]), Size: int64(len(content))}
	defer s.Lock(ref.CID)()
	here, err := s.whole(ref)
	if err != nil || !here || !equalFile(s.path(ref.CID), content) {
		return dag.Ref{}, noPin, false
	}
	return ref, s.pins.add(ref.CID), true
}

// hashStaged reads a staged file once, and syncs it meanwhile.
func (s *Store) hashStaged(ctx context.Context, file string, want digest.Digest, function dag.Function) (*dag.Layout, []blocks.Block, error) {
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("not a plain file: %s", info.Mode())
	}
	size := info.Size()
	if err := dag.Profile().Check(size); err != nil {
		return nil, nil, err
	}
	check, err := newCheck(want, size, function)
	if err != nil {
		return nil, nil, err
	}
	var sums []byte
	g, hashing := errgroup.WithContext(ctx)
	g.Go(f.Sync)
	g.Go(func() (err error) {
		sums, err = s.hash.file(hashing, f, size, function, check.whole)
		return err
	})
	if err := g.Wait(); err != nil {
		return nil, nil, err
	}
	if err := check.result(sums); err != nil {
		return nil, nil, err
	}
	return dag.Profile().Build(function, sums, size)
}

// check compares the digest of a file.
type check struct {
	want  digest.Digest
	whole hash.Hash // nil: nothing to hash beside the leaves
}

func newCheck(want digest.Digest, size int64, f dag.Function) (check, error) {
	if want == "" {
		return check{}, nil
	}
	if err := want.Validate(); err != nil {
		return check{}, fmt.Errorf("digest %q: %w", want, err)
	}
	if want.Algorithm() != digest.SHA256 {
		return check{want, want.Algorithm().Hash()}, nil
	}
	if f == dag.SHA2 && size <= dag.LeafSize {
		return check{want, nil}, nil // the only leaf's sum is the file's
	}
	return check{want, sha256.New()}, nil
}

func (c check) result(sums []byte) error {
	if c.want == "" {
		return nil
	}
	sum := sums
	if c.whole != nil {
		sum = c.whole.Sum(nil)
	}
	if got := digest.NewDigestFromBytes(c.want.Algorithm(), sum); got != c.want {
		return fmt.Errorf("%w: want %s, bytes have %s", ErrDigestMismatch, c.want, got)
	}
	return nil
}

// install makes a synced file the blob that h describes. The caller holds the lock of
// its root.
func (s *Store) install(ctx context.Context, file string, h hashed) error {
	// An installation that has begun runs to its end: half of one would be useless.
	ctx = context.WithoutCancel(ctx)
	to := s.path(h.Root)
	if s.Verified(dag.Ref{CID: h.Root, Size: h.Size}) && !sameFile(file, to) {
		return removeFiles(file)
	}
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

// whole reports whether a blob is here with its record and all its bytes.
func (s *Store) whole(ref dag.Ref) (bool, error) {
	size, err := s.Size(ref.CID)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil && size == ref.Size, err
}

func sameFile(a, b string) bool {
	x, errA := os.Stat(a)
	y, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(x, y)
}
