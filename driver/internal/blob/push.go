package blob

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/ipfs/go-datastore"
	"github.com/opencontainers/go-digest"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
)

// SmallSize is the greatest size in bytes of a blob that is pushed with one sync: its bytes are
// committed beside its entry, and its file is synced later. A value in a table of badger may
// have little more.
const SmallSize = 64_000

// Push is a blob whose bytes are here, for an entry that is not written yet. It ends with Done
// or with Undo, once. Until then nothing deletes the bytes.
type Push struct {
	Ref dag.Ref
	// Beside is to be written with the blob's entry, in the same transaction of the datastore:
	// before that the blob is not safe on disk, and counts as not here. Where it is empty, the
	// blob is safe already.
	Beside map[datastore.Key][]byte
	// GiveBack makes Undo and Return give an upload its file back, which can be made a blob
	// again, but not be written.
	GiveBack bool

	store *Store
	from  string // the file of the upload
	h     hashed
	key   datastore.Key // of its bytes in the journal, when they are in Beside
	unpin Unpin
	show  func()
}

func (s *Store) newPush(from string) *Push {
	return &Push{store: s, from: from, unpin: noPin, show: func() {}}
}

// PushUpload makes a blob of a plain file under dir/staging: the file of an Upload (which ends
// if it is still open), or any other that is no longer written. When the blob is here already,
// the new file replaces the old one, unless this process has verified the old one: then the new
// file is removed. On an error the file is still there. The error is ErrDigestMismatch when its
// bytes do not have the digest want; an empty want checks nothing.
//
// Bytes that were hashed as they arrived are not read again, unless the file has changed
// since. So the CID is made with the function that the store had when the upload began, or
// with f unless that is 0.
//
// When seen covers all that was written, no more than one leaf is read to check the digest
// want.
func (s *Store) PushUpload(ctx context.Context, file string, want digest.Digest, seen Seen, f dag.Function) (*Push, error) {
	p := s.newPush(file)
	err := s.withUpload(ctx, file, want, seen, f, func(h hashed) (err error) {
		p.h, p.Ref = h, h.ref()
		if s.mayJournal(h) {
			content, err := os.ReadFile(file)
			if err == nil {
				err = p.journal(file, content)
			}
			return err
		}
		p.unpin, err = s.install(ctx, file, h)
		return err
	})
	if err != nil {
		p.Undo(false)
		return nil, fmt.Errorf("adopt %s: %w", file, err)
	}
	return p, nil
}

// AdoptUpload makes the blob ref of a plain file, as PushUpload does, if the file has its bytes.
// Otherwise the error is ErrOtherBytes, and the file is still there. Small blobs are synced, too. The
// blob is pinned until Unpin, which is never nil.
func (s *Store) AdoptUpload(ctx context.Context, file string, ref dag.Ref) (Unpin, error) {
	unpin := noPin
	f, _ := dag.FunctionOf(ref.CID)
	err := s.withUpload(ctx, file, "", Seen{}, f, func(h hashed) (err error) {
		if h.ref() != ref {
			return ErrOtherBytes
		}
		unpin, err = s.install(ctx, file, h)
		return err
	})
	if err != nil {
		unpin()
		return noPin, fmt.Errorf("adopt %s as %s: %w", file, ref.CID, err)
	}
	return unpin, nil
}

// PushContent makes a blob of content, which is held in memory: a manifest, not a layer. It is
// named with function; 0: the store's.
func (s *Store) PushContent(ctx context.Context, content []byte, function dag.Function) (*Push, error) {
	p := s.newPush("")
	done, err := p.journalContent(content, function)
	if err == nil && !done {
		p.Ref, p.unpin, err = s.PutAs(ctx, content, function)
	}
	if err != nil {
		return nil, fmt.Errorf("put: %w", err)
	}
	return p, nil
}

func (p *Push) journalContent(content []byte, function dag.Function) (done bool, err error) {
	s := p.store
	if len(content) > SmallSize {
		return false, nil
	}
	if function == 0 {
		function = s.Function()
	}
	sum := function.Sum(content)
	p.h.now = true
	if p.h.Layout, p.h.inner, err = dag.Profile().Build(function, sum[:], int64(len(content))); err != nil {
		return false, err
	}
	p.Ref = p.h.ref()
	defer s.Lock(p.h.Root)()
	if !s.mayJournal(p.h) {
		return false, nil
	}
	file, err := s.stage(content)
	if err != nil {
		return false, err
	}
	if err := p.journal(file, content); err != nil {
		return false, errors.Join(err, removeFiles(file))
	}
	return true, nil
}

// mayJournal reports whether a blob is small, and not here in any form. The caller holds the
// lock of its root.
func (s *Store) mayJournal(h hashed) bool {
	if h.Size > SmallSize || h.Leaves() != 1 || s.rot.has(h.Root) || !s.journal.takes() {
		return false
	}
	_, err := os.Lstat(s.path(h.Root))
	return errors.Is(err, os.ErrNotExist)
}

// journal gives the file its name, unsynced, and puts the blob's record and bytes into Beside.
// On an error the file is still there. The caller holds the lock of its root.
func (p *Push) journal(file string, content []byte) error {
	s, root := p.store, p.h.Root
	show := s.hidden.add(root)
	if err := os.Rename(file, s.path(root)); err != nil {
		show()
		return err
	}
	p.key, p.show, p.unpin = s.journal.newKey(root), show, s.pins.add(root)
	p.Beside = map[datastore.Key][]byte{p.key: append([]byte{}, content...)} // nil would delete it
	for c := range addition(p.h.Layout, p.h.inner, s.extras.Load()) {
		p.Beside[c.key] = c.value
	}
	return nil
}

// Written is called when Beside is on disk, and before anybody hears of the entry. It does not
// wait.
func (p *Push) Written() {
	if p.Beside != nil {
		p.store.hidden.reveal(p.h.Root)
	}
}

// Done is called when the entry is written, after Written.
func (p *Push) Done() {
	if p.Beside != nil {
		p.store.journaled(p)
	}
	p.unpin()
}

// Undo is called when the entry is not written, or when that is not known: then maybe is
// true.
func (p *Push) Undo(maybe bool) {
	defer p.unpin()
	p.Return()
	if p.Beside != nil {
		p.store.unjournal(p, maybe)
	}
}

// Return gives an upload its file back, if GiveBack says so.
func (p *Push) Return() {
	if !p.GiveBack {
		return
	}
	if err := p.store.giveBack(p.Ref, p.from); err != nil {
		p.store.log.WithError(err).Warn("the end of an upload failed and could not be undone: the client has to begin the upload anew")
	}
}

// journaled completes what Written began.
func (s *Store) journaled(p *Push) {
	root := p.h.Root
	defer s.Lock(root)()
	s.rot.drop(root)
	if info, err := os.Stat(s.path(root)); err == nil && p.h.now {
		s.proofs.note(root, stampOf(info))
	}
	if _, open := s.OpenPartial(root); !open {
		_ = s.removePartialFiles(root) // or the next start does
	}
	s.noteUse(root)
	s.account(1, p.h.Size)
	s.journal.add(s, item{key: p.key, root: root, size: p.h.Size})
	p.show()
}

// unjournal takes back the file of a blob that is not recorded. When its record may have been
// written, that is looked up once the datastore takes writes again.
func (s *Store) unjournal(p *Push, maybe bool) {
	root := p.h.Root
	defer s.Lock(root)()
	defer p.show()
	recorded, err := s.index.has(context.Background(), root)
	if err == nil && !recorded && !maybe {
		_ = removeFiles(s.path(root)) // or the next start takes it for a blob, which nothing names
		return
	}
	s.account(1, p.h.Size)
	if maybe {
		s.journal.add(s, item{key: p.key, root: root, size: p.h.Size, maybe: true})
	}
}
