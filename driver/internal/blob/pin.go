package blob

import (
	"context"
	"fmt"
	"sync"

	"github.com/ipfs/go-cid"
)

// Unpin ends a pin. It may be called more than once, and is never nil.
type Unpin func()

func noPin() {}

// pins counts the pins of each CID. One is added with the lock of the CID held, so that none
// comes between checking them and a deletion.
type pins struct {
	mu   sync.Mutex
	held map[cid.Cid]int
}

// add pins c; the caller holds the lock of c, which Unpin does not need.
func (p *pins) add(c cid.Cid) Unpin {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held == nil {
		p.held = map[cid.Cid]int{}
	}
	p.held[c]++
	return sync.OnceFunc(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.held[c]--; p.held[c] == 0 {
			delete(p.held, c)
		}
	})
}

func (p *pins) has(c cid.Cid) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.held[c] > 0
}

// Pin keeps the bytes of c, those that are here now and those that come while it is pinned,
// from being deleted or set aside until Unpin. Pins end with the Store. Pin waits for a
// deletion of c that is under way.
func (s *Store) Pin(c cid.Cid) Unpin {
	defer s.Lock(c)()
	return s.pins.add(c)
}

// deletable returns ErrPinned when c must not be deleted now. The caller keeps holding the
// lock of c for the deletion.
func (s *Store) deletable(c cid.Cid) error {
	if s.pins.has(c) {
		return fmt.Errorf("blob %s: %w", c, ErrPinned)
	}
	return nil
}

// DeleteUnused is Delete for a blob that may be in use: used is called with the lock of c
// held, when nothing pins c, so that a push is either seen by used or comes after the
// deletion. The error is ErrUsed when used returns true. used must not call the store.
func (s *Store) DeleteUnused(ctx context.Context, c cid.Cid, used func(cid.Cid) bool) error {
	return s.delete(ctx, c, used)
}
