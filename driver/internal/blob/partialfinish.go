package blob

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/ipfs/go-cid"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
)

// Finish makes a complete partial a blob, safe on disk, and pinned until the partial is
// closed; ErrNotYet when leaves are missing. It may be called again. The partial stays
// readable until it is closed.
func (p *Partial) Finish(ctx context.Context) error {
	p.recheckAll(ctx)
	if err := p.finish(ctx); err != nil {
		return fmt.Errorf("finish %s: %w", p.layout.Root, err)
	}
	return nil
}

func (p *Partial) finish(ctx context.Context) error {
	p.mu.Lock()
	left, done := p.left, p.done
	p.mu.Unlock()
	if done {
		return nil
	}
	if left > 0 {
		return fmt.Errorf("%d leaves of %d missing: %w", left, p.layout.Leaves(), errors.Join(ErrNotYet, ctx.Err()))
	}
	s, root := p.store, p.layout.Root
	h := hashed{Layout: p.layout, inner: p.inner, now: true, synced: true}
	// Before it has its name, however small it is: the file was as long as it is now from the
	// beginning, so that a crash that takes its bytes would not be seen by its size. By its
	// handle: another user may be faster.
	if err := p.file.Sync(); err != nil {
		return err
	}
	defer s.Lock(root)()
	p.mu.Lock()
	done = p.done
	p.mu.Unlock()
	if done {
		return nil // another user was faster
	}
	unpin, err := s.install(ctx, s.partialPath(root), h)
	if err != nil {
		return err
	}
	p.mu.Lock()
	p.done, p.unpin = true, unpin
	p.mu.Unlock()
	p.claim.Release()
	s.forget(p)
	return removeFiles(s.marksPath(root))
}

// Close ends one use. The last one closes the files, and leaves them for a later Partial to
// resume, unless the disk was full or the blob came another way: then they are removed.
// Finish must not be running.
func (p *Partial) Close() error {
	p.store.mu.Lock()
	p.users--
	last := p.users == 0
	if last && p.store.partials[p.layout.Root] == p {
		delete(p.store.partials, p.layout.Root)
	}
	p.store.mu.Unlock()
	if !last {
		return nil
	}
	err := p.closeFiles()
	p.mu.Lock()
	done, useless := p.done, p.full && !p.store.rot.has(p.layout.Root) // whose copy may be the only one left
	p.store.rot.right(p.layout.Root, p.have, p.claimed)
	p.mu.Unlock()
	p.unpin()
	if err != nil {
		return fmt.Errorf("close partial %s: %w", p.layout.Root, err)
	}
	if done {
		return nil
	}
	here, err := p.store.whole(dag.Ref{CID: p.layout.Root, Size: p.layout.Size})
	if err != nil {
		return fmt.Errorf("close partial %s: %w", p.layout.Root, err)
	}
	if useless || here {
		return p.store.dropPartial(p.layout.Root)
	}
	return nil
}

// dropPartial removes what has arrived of a blob, unless it was opened again. A blob that
// is here whole, for example because it was pushed meanwhile, keeps its file and its
// blocks.
func (s *Store) dropPartial(root cid.Cid) error {
	defer s.Lock(root)()
	if _, open := s.OpenPartial(root); open {
		return nil
	}
	if err := s.removePartialFiles(root); err != nil {
		return fmt.Errorf("drop partial %s: %w", root, err)
	}
	ctx := context.Background()
	recorded, err := s.index.has(ctx, root)
	switch {
	case err != nil:
	case recorded:
		err = s.index.store.Delete(ctx, partialKey(root))
	default:
		err = s.index.remove(ctx, root)
	}
	if err != nil {
		return fmt.Errorf("drop partial %s: %w", root, err)
	}
	return nil
}

func (p *Partial) closeFiles() error {
	p.claim.Release()
	var errs []error
	for _, f := range []*os.File{p.file, p.marks} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}

// forget makes p a partial that can no longer be opened.
func (s *Store) forget(p *Partial) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.partials[p.layout.Root] == p {
		delete(s.partials, p.layout.Root)
	}
}
