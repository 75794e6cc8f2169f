package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/bitset"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/room"
)

const (
	partialSuffix = ".partial"
	marksSuffix   = ".partial.have"
)

// Partial opens the blob of that layout, resuming what earlier ones left. l and inner are
// ReadLayout's. While one is open, the same is returned again, and is closed by its last
// user. For a blob that is here already the partial is complete. A blob for which there is
// no room on the disk, apart from the reserve and the room claimed already, is refused with a
// *room.Short, as is every blob when file descriptors are short.
func (s *Store) Partial(l *dag.Layout, inner []blocks.Block) (*Partial, error) {
	defer s.Lock(l.Root)()
	s.mu.Lock()
	if p := s.partials[l.Root]; p != nil {
		p.users++
		s.mu.Unlock()
		return p, nil
	}
	s.mu.Unlock()
	p, err := s.openPartial(l, inner)
	if err != nil {
		return nil, fmt.Errorf("partial %s: %w", l.Root, err)
	}
	if !p.done {
		s.mu.Lock()
		s.partials[l.Root] = p
		s.mu.Unlock()
	}
	return p, nil
}

// OpenPartial returns the partial that is open now; false when there is none. It is only
// lent: do not close it, and expect os.ErrClosed once its users have closed it.
func (s *Store) OpenPartial(c cid.Cid) (*Partial, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.partials[c]
	return p, ok
}

func (s *Store) openPartial(l *dag.Layout, inner []blocks.Block) (*Partial, error) {
	ctx := context.Background()
	p := &Partial{
		store: s, layout: l, inner: inner, users: 1, unpin: noPin,
		have: bitset.New(l.Leaves()), claimed: bitset.New(l.Leaves()), left: l.Leaves(),
	}
	ref := dag.Ref{CID: l.Root, Size: l.Size}
	if s.Verified(ref) {
		if err := p.openWhole(); err != nil {
			return nil, err
		}
		p.unpin = s.pins.add(l.Root)
		return p, nil
	}
	var err error
	if p.claim, err = s.claimRoom(ref); err != nil {
		return nil, err
	}
	err = s.stageUnverified(ctx, ref)
	if err == nil {
		err = s.index.addPartial(ctx, l, inner)
	}
	if err == nil {
		err = p.openStaged()
	}
	if err != nil {
		return nil, errors.Join(err, p.closeFiles())
	}
	if l.Size == 0 {
		p.have.Add(0) // no bytes to wait for
		p.left = 0
	}
	return p, nil
}

// claimRoom claims room for the bytes of a blob that are not on the disk yet; nil when all
// are.
func (s *Store) claimRoom(ref dag.Ref) (*room.Claim, error) {
	there := max(allocated(s.partialPath(ref.CID)), allocated(s.path(ref.CID)))
	if ref.Size <= there {
		return nil, nil
	}
	return s.room.Take(ref.Size - there)
}

// Fits refuses, with a *room.Short, a blob for which there is no room now.
func (s *Store) Fits(ref dag.Ref) error {
	claim, err := s.claimRoom(ref)
	claim.Release()
	return err
}

// stageUnverified turns a blob that is here back into a partial one, when it was not
// verified in this run or is not all there: its leaves count again once they are hashed.
func (s *Store) stageUnverified(ctx context.Context, ref dag.Ref) error {
	info, err := os.Stat(s.path(ref.CID))
	if errors.Is(err, fs.ErrNotExist) || s.hidden.has(ref.CID) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := s.deletable(ref.CID); err != nil {
		return err
	}
	if info.Size() != ref.Size {
		s.log.WithField("cid", ref.CID).Warnf("a blob has %d bytes on disk instead of %d: what is right of it is kept", info.Size(), ref.Size)
	}
	return s.setAside(ctx, ref)
}

func (p *Partial) openWhole() (err error) {
	for i := range p.layout.Leaves() {
		p.have.Add(i)
	}
	p.left, p.done = 0, true
	p.file, err = p.store.openWhole(p.layout.Root)
	return err
}

// openStaged opens the file and its marks. The marks count only when both are
// of the right size.
func (p *Partial) openStaged() (err error) {
	root := p.layout.Root
	if p.file, err = os.OpenFile(p.store.partialPath(root), os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return err
	}
	if p.marks, err = os.OpenFile(p.store.marksPath(root), os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return err
	}
	info, err := p.file.Stat()
	if err != nil {
		return err
	}
	marks, err := io.ReadAll(io.LimitReader(p.marks, int64(len(p.claimed))+1))
	if err != nil {
		return err
	}
	if info.Size() == p.layout.Size && len(marks) == len(p.claimed) {
		copy(p.claimed, marks)
		return nil
	}
	if err := errors.Join(p.marks.Truncate(0), p.file.Truncate(p.layout.Size)); err != nil {
		return err
	}
	return p.marks.Truncate(int64(len(p.claimed)))
}

// allocated is how many bytes of the disk a file takes; 0 when there is none.
func allocated(file string) int64 {
	info, err := os.Stat(file)
	if err != nil {
		return 0
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0
	}
	return st.Blocks * 512
}

func (s *Store) partialPath(c cid.Cid) string {
	return filepath.Join(s.staging, fileName(c)+partialSuffix)
}

func (s *Store) marksPath(c cid.Cid) string {
	return filepath.Join(s.staging, fileName(c)+marksSuffix)
}

func (s *Store) removePartialFiles(c cid.Cid) error {
	return removeFiles(s.partialPath(c), s.marksPath(c))
}

// partialRoot is the root that the name of a partial's file shows.
func partialRoot(name string) (cid.Cid, bool) {
	stem, _, ok := strings.Cut(name, partialSuffix)
	if !ok {
		return cid.Undef, false
	}
	c, err := cid.Decode(stem)
	return c, err == nil && c.String() == stem
}
