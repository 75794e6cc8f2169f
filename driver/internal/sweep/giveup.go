package sweep

import (
	"context"

	"github.com/ipfs/go-cid"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
)

// GiveUp gives up the copy of a blob that is here, if others keep it: settle asks them, and calls
// remove once they have answered (package replica). Nothing is removed when anybody has asked for
// this copy since before settle began, when it has been named, or while it is read: the error is
// blob.ErrUsed then, and blob.ErrPinned while it is pinned.
//
// Why whoever relies on this copy finds the bytes (docs/decisions/0019-garbage.md): it asked for
// this copy within its reliance. Had it done so before the others were asked, they now count as
// asked later than that, and hear it once more before they remove anything. Otherwise the copy
// stays, or the answer was that there is none.
func (b *Bytes) GiveUp(ctx context.Context, c cid.Cid, settle func(remove func() error) error) error {
	if !b.beginGiving(c) {
		return blob.ErrUsed // it is being removed, or given up, already
	}
	defer b.endGiving(c)
	return settle(func() error {
		going := false
		err := b.blobs.DeleteIdle(ctx, c, func(cid.Cid) bool { going = b.mayGive(c); return !going })
		if going {
			b.gone(c, err == nil)
		}
		return err
	})
}

func (b *Bytes) beginGiving(c cid.Cid) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, given := b.given[c]; given || b.going[c] > 0 {
		return false
	}
	b.given[c] = false
	return true
}

func (b *Bytes) endGiving(c cid.Cid) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.given, c)
}

// mayGive is like goes for a blob that is being given up.
func (b *Bytes) mayGive(c cid.Cid) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.given[c] {
		return false
	}
	b.going[c]++
	return true
}
