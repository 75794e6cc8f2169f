package blob

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/opencontainers/go-digest"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
)

// putPattern names the staged files of Put; Open removes leftovers.
const putPattern = ".blob-put-*"

// withUpload hashes and checks an upload, calls install with the lock of its root held, and
// then removes what is left of the upload.
func (s *Store) withUpload(ctx context.Context, file string, want digest.Digest, seen Seen, f dag.Function, install func(hashed) error) error {
	live, done, err := s.uploads.adopt(file)
	defer done()
	if err != nil {
		return err
	}
	if live {
		seen = Seen{} // its last bytes came after what was seen
	}
	h, err := s.hashUpload(ctx, file, want, seen, f)
	if err != nil {
		return err
	}
	if err := h.checkDigest(want); err != nil {
		return err
	}
	if err := h.syncLarge(file); err != nil {
		return err
	}
	defer s.Lock(h.Root)()
	if err := install(h); err != nil {
		return err
	}
	// The name of a file that giveBack made is still there.
	return errors.Join(removeFiles(file), s.unnote(file))
}

// Put makes a blob of content, which is held in memory: a manifest, not a layer. Nothing
// pins it.
func (s *Store) Put(ctx context.Context, content []byte) (dag.Ref, error) {
	ref, unpin, err := s.PutAs(ctx, content, 0)
	unpin()
	return ref, err
}

// PutAs is Put with the given function; 0: the store's. The blob is pinned until Unpin.
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
	s.noteUse(ref.CID)
	return ref, s.pins.add(ref.CID), true
}

// adopt makes a blob of a plain file that is no upload and is no longer written: hash,
// install.
func (s *Store) adopt(ctx context.Context, file string, f dag.Function) (dag.Ref, Unpin, error) {
	h, err := s.hashFile(ctx, file, "", f, nil)
	if err != nil {
		return dag.Ref{}, noPin, fmt.Errorf("adopt %s: %w", file, err)
	}
	defer s.Lock(h.Root)()
	unpin, err := s.install(ctx, file, h)
	if err != nil {
		return dag.Ref{}, noPin, fmt.Errorf("adopt %s: %w", file, err)
	}
	return h.ref(), unpin, nil
}
