package blob

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/ipfs/go-cid"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/bitset"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
)

// rot is the set of blobs whose file turned out to have other bytes than were written,
// until they are whole again. The index holds the same set for the next start.
type rot struct {
	mu     sync.Mutex
	of     map[cid.Cid]Remains
	mended int64
	found  func(dag.Ref)
}

func (r *rot) add(ref dag.Ref) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.of == nil {
		r.of = map[cid.Cid]Remains{}
	}
	r.of[ref.CID] = Remains{Size: ref.Size} // none of it is known to be right
}

func (r *rot) drop(c cid.Cid) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.of, c)
}

// heal is drop for a blob that is whole again.
func (r *rot) heal(c cid.Cid) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.of[c]; ok {
		r.mended++
	}
	delete(r.of, c)
}

func (r *rot) has(c cid.Cid) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.of[c]
	return ok
}

// Rotten returns the blobs that were set aside because their file had other bytes than were
// written, sorted. A blob is listed until it is whole again or deleted, and meanwhile counts
// as not here.
func (s *Store) Rotten() []dag.Ref {
	s.rot.mu.Lock()
	defer s.rot.mu.Unlock()
	refs := make([]dag.Ref, 0, len(s.rot.of))
	for c, m := range s.rot.of {
		refs = append(refs, dag.Ref{CID: c, Size: m.Size})
	}
	slices.SortFunc(refs, func(a, b dag.Ref) int { return strings.Compare(a.CID.String(), b.CID.String()) })
	return refs
}

// IsRotten reports whether c is one of Rotten.
func (s *Store) IsRotten(c cid.Cid) bool { return s.rot.has(c) }

// Lost reports whether a blob has a record here, and is not here: its file is gone or was set aside.
// One that was deleted has none. The next start forgets the record of a file that is gone.
func (s *Store) Lost(ctx context.Context, c cid.Cid) bool {
	recorded, err := s.index.has(ctx, c)
	return err == nil && recorded && !s.Has(c)
}

// Mended counts the blobs that were Rotten and became whole again, since Open.
func (s *Store) Mended() int64 {
	s.rot.mu.Lock()
	defer s.rot.mu.Unlock()
	return s.rot.mended
}

// OnRotten makes f be called for each blob that is set aside from now on. f must not wait.
func (s *Store) OnRotten(f func(dag.Ref)) {
	s.rot.mu.Lock()
	defer s.rot.mu.Unlock()
	s.rot.found = f
}

func (r *rot) tell(ref dag.Ref) {
	r.mu.Lock()
	f := r.found
	r.mu.Unlock()
	if f != nil {
		f(ref)
	}
}

// condemn sets aside a blob whose file, the one with that stamp, is damaged. Another file
// that replaced it meanwhile stays.
func (s *Store) condemn(ref dag.Ref, of stamp, why error) {
	unlock := s.Lock(ref.CID)
	defer unlock()
	info, err := os.Stat(s.path(ref.CID))
	if err != nil || stampOf(info) != of {
		return
	}
	if err := s.deletable(ref.CID); err != nil {
		s.log.WithError(why).WithField("cid", ref.CID).
			Warn("a blob is damaged on disk, and is being pushed: it is looked at again when it is next read")
		s.proofs.forget(ref.CID)
		return
	}
	s.trySetAside(context.Background(), ref, why)
	unlock()
	s.rot.tell(ref)
}

// trySetAside is setAside for a blob that counts as damaged even when that fails, for
// example on a full disk: then its file stays where it is, and nobody reads it.
func (s *Store) trySetAside(ctx context.Context, ref dag.Ref, why error) {
	log := s.log.WithError(why).WithField("cid", ref.CID)
	if err := s.setAside(ctx, ref); err != nil {
		log.WithField("cause", err).Error("a blob is damaged on disk and cannot be set aside: its file is not served; check the disk")
		return
	}
	log.Warn("a blob is damaged on disk: set aside, to be fetched from another member, or pushed again")
}

// setAside turns the file of a blob into that of a partial one, of which each leaf is
// hashed again before it counts, so that undamaged leaves need not be fetched. The caller
// holds the lock of its CID.
func (s *Store) setAside(ctx context.Context, ref dag.Ref) error {
	s.rot.add(ref)
	s.proofs.forget(ref.CID)
	err := s.index.addRotten(ctx, ref)
	if err != nil {
		return err
	}
	if _, open := s.OpenPartial(ref.CID); open {
		err = removeDurably(s.path(ref.CID)) // all of it is on its way already
	} else {
		err = s.stageAgain(ref)
	}
	if err != nil {
		return err
	}
	s.account(-1, -ref.Size)
	return s.index.unfinish(ctx, ref.CID, ref.Size)
}

// stageAgain gives the file of a blob the name of a partial one, with a mark on each leaf.
// Without marks all of it would be fetched, and what is right of it could not be served.
func (s *Store) stageAgain(ref dag.Ref) error {
	leaves := dag.Profile().Leaves(ref.Size)
	marks := bitset.New(leaves)
	for i := range leaves {
		marks.Add(i)
	}
	if err := os.WriteFile(s.marksPath(ref.CID), marks, 0o600); err != nil {
		return errors.Join(err, removeFiles(s.marksPath(ref.CID)))
	}
	err := os.Rename(s.path(ref.CID), s.partialPath(ref.CID))
	err = errors.Join(err, os.Truncate(s.partialPath(ref.CID), ref.Size))
	return errors.Join(err, syncDir(s.staging), syncDir(s.blobs))
}

// recoverRotten reads which blobs were set aside, and finishes setting aside those for
// which only the intention was written down.
func (s *Store) recoverRotten(ctx context.Context) error {
	var refs []dag.Ref
	for ref, err := range s.index.refs(ctx, rottenPrefix) {
		if err != nil {
			return err
		}
		refs = append(refs, ref)
	}
	for _, ref := range refs {
		s.rot.add(ref)
		if _, err := os.Stat(s.path(ref.CID)); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		recorded, err := s.index.has(ctx, ref.CID)
		if err != nil {
			return err
		}
		if !recorded { // and so not counted
			s.account(1, ref.Size)
		}
		s.trySetAside(ctx, ref, ErrRotten)
	}
	return nil
}

// Salvage opens what was set aside of a blob, or has arrived of it, hashes it, and makes it
// a blob again when nothing is missing: when only its length was wrong, or the disk has
// recovered. Otherwise Absent tells which leaves have to be fetched. The caller closes it.
// The error is ErrNotFound when the layout is not known here.
func (s *Store) Salvage(ctx context.Context, ref dag.Ref) (*Partial, error) {
	l, inner, err := dag.ReadLayout(ctx, ref.CID, ref.Size, s.InnerBlock)
	if err != nil {
		return nil, fmt.Errorf("salvage: %w", err)
	}
	p, err := s.Partial(l, inner)
	if err != nil {
		return nil, fmt.Errorf("salvage: %w", err)
	}
	p.recheckAll(ctx)
	if err = ctx.Err(); err == nil && p.complete() {
		err = p.Finish(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("salvage %s: %w", ref.CID, errors.Join(err, p.Close()))
	}
	return p, nil
}

// equalFile reports whether a file has exactly these bytes.
func equalFile(file string, content []byte) bool {
	info, err := os.Stat(file)
	if err != nil || info.Size() != int64(len(content)) {
		return false
	}
	there, err := os.ReadFile(file)
	return err == nil && bytes.Equal(there, content)
}
