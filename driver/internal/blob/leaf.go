package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
)

// Leaf is the verified content of a blob of one leaf, in memory. It is safe for concurrent
// use.
type Leaf struct {
	layout  *dag.Layout
	content []byte
}

// NewLeaf verifies the content of the blob of one leaf that has that layout; ErrBadLeaf when
// it is another's. The content is not to be changed afterwards.
func NewLeaf(l *dag.Layout, content []byte) (*Leaf, error) {
	if l.Leaves() != 1 || !l.Matches(0, content) {
		return nil, fmt.Errorf("leaf %s: %w", l.Root, ErrBadLeaf)
	}
	return &Leaf{l, content}, nil
}

// ReadAt implements io.ReaderAt.
func (l *Leaf) ReadAt(b []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("read %s at %d: negative offset", l.layout.Root, off)
	}
	n := copy(b, l.content[min(off, int64(len(l.content))):])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// PutLeaf makes a blob of a leaf, safe on disk, and pins it until Unpin. A blob for which
// there is no room, apart from the reserve and the room claimed already, is refused with a
// *room.Short.
func (s *Store) PutLeaf(ctx context.Context, l *Leaf) (Unpin, error) {
	root := l.layout.Root
	claim, err := s.room.Take(int64(len(l.content)))
	if err != nil {
		return noPin, fmt.Errorf("put %s: %w", root, err)
	}
	defer claim.Release()
	file, err := s.stage(l.content)
	if err != nil {
		return noPin, fmt.Errorf("put %s: %w", root, err)
	}
	defer s.Lock(root)()
	unpin, err := s.install(ctx, file, hashed{Layout: l.layout, now: true})
	if err != nil {
		return noPin, fmt.Errorf("put %s: %w", root, errors.Join(err, removeFiles(file)))
	}
	return unpin, nil
}

// stage writes content to a new file. On an error there is none.
func (s *Store) stage(content []byte) (string, error) {
	f, err := os.CreateTemp(s.staging, putPattern)
	if err != nil {
		return "", err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(err, removeFiles(f.Name()))
	}
	return f.Name(), nil
}
