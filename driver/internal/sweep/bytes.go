package sweep

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"

	"github.com/ipfs/go-cid"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/lease"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// Bytes removes blobs, and what has arrived of blobs, that no entry names. It looks through
// the map once for all of them; Named and Asked tell it what changes meanwhile, so that it
// never removes what an entry names. It is safe for concurrent use.
type Bytes struct {
	blobs *blob.Store

	sweeping sync.Mutex // one sweep at a time

	mu    sync.Mutex
	last  map[cid.Cid]lease.Moment // blobs that nothing names or asks for → when that was first seen
	named map[cid.Cid]bool         // since a sweep began to look through the map; nil: none does
	going map[cid.Cid]int          // are being removed, by how many
	given map[cid.Cid]bool         // are being given up → asked for meanwhile

	swept    cid.Cid // is being removed by the sweep
	regained bool    // it has got a name meanwhile
	missed   func()  // is called when it has gone then; nil: nobody cares
}

// NewBytes makes a sweeper of a store.
func NewBytes(blobs *blob.Store) *Bytes {
	return &Bytes{blobs: blobs, last: map[cid.Cid]lease.Moment{}, going: map[cid.Cid]int{}, given: map[cid.Cid]bool{}}
}

// OnMissed makes f be called when a blob has got a name while it was being removed. Nobody relied on
// the copy that was here, but this registry may be one that is to keep the blob. f must not wait.
// OnMissed is called before anything is swept.
func (b *Bytes) OnMissed(f func()) { b.missed = f }

// Named takes the CIDs that a change of the map names, before anybody can read the change.
func (b *Bytes) Named(cids []cid.Cid) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range cids {
		b.note(c)
		b.regained = b.regained || c.Equals(b.swept)
	}
}

func (b *Bytes) note(c cid.Cid) {
	delete(b.last, c)
	if b.named != nil {
		b.named[c] = true
	}
	if _, given := b.given[c]; given {
		b.given[c] = true
	}
}

// Asked notes that a member reads a blob, or that somebody is about to rely on the copy that is
// here: a member that asks whether it is, or a request. It may have an entry that has not arrived.
// Like one that gets a name the blob counts from the next look on, which is later than this, as
// are the hearings that it then needs. It is false when the blob is being removed: whoever is
// told that it is here would rely on what is gone a moment later.
func (b *Bytes) Asked(c cid.Cid) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.going[c] > 0 {
		return false
	}
	b.note(c)
	return true
}

// Going reports whether a blob is being removed. Unlike Asked it keeps nothing from that.
func (b *Bytes) Going(c cid.Cid) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.going[c] > 0
}

// Unnamed counts the blobs that no entry named when the last sweep looked.
func (b *Bytes) Unnamed() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.last)
}

// Removed is what a sweep removed.
type Removed struct {
	Blobs int
	Bytes int64
}

// Sweep removes the blobs that no entry names in a view, which is the present one, and of
// which may reports that they may go, given the moment when something last named or asked for
// them. It does nothing when entries of a later release name blobs that this release cannot
// know: the error is pathmap.ErrNewerEntry. What a transfer or a push is about to name is
// pinned, and stays.
func (b *Bytes) Sweep(ctx context.Context, view func() pathmap.View, now lease.Moment, may func(last lease.Moment) bool) (r Removed, err error) {
	b.sweeping.Lock()
	defer b.sweeping.Unlock()
	here, err := b.here(ctx)
	if err != nil {
		return r, err
	}
	if err := b.look(here, view, now); err != nil {
		return r, err
	}
	var failed error
	for c, last := range b.expired(may) {
		if ctx.Err() != nil {
			return r, ctx.Err()
		}
		going := false
		err := b.blobs.DeleteUnused(ctx, c, func(cid.Cid) bool { going = b.goes(c, last); return !going })
		if going {
			b.gone(c, err == nil)
		}
		switch {
		case errors.Is(err, blob.ErrPinned), errors.Is(err, blob.ErrUsed):
			continue
		case err != nil: // on a full disk the file may be gone, and its record not yet: others may be, too
			failed = cmp.Or(failed, fmt.Errorf("remove what nothing names: %w", err))
			continue
		}
		r.Blobs++
		r.Bytes += here[c]
	}
	return r, failed
}

// here gives the blobs on this disk, whole or in part, with what they take of it at most.
func (b *Bytes) here(ctx context.Context) (map[cid.Cid]int64, error) {
	here := map[cid.Cid]int64{}
	for _, list := range []func(context.Context) ([]dag.Ref, error){b.blobs.Arriving, b.blobs.Blobs} {
		refs, err := list(ctx)
		if err != nil {
			return nil, err
		}
		for _, ref := range refs {
			here[ref.CID] = ref.Size
		}
	}
	return here, nil
}

// look finds what nothing names.
func (b *Bytes) look(here map[cid.Cid]int64, view func() pathmap.View, now lease.Moment) error {
	b.mu.Lock()
	b.named = map[cid.Cid]bool{}
	b.mu.Unlock()
	unnamed := maps.Clone(here)
	all := view().CIDs(func(c cid.Cid) bool { delete(unnamed, c); return true })
	b.mu.Lock()
	defer b.mu.Unlock()
	named := b.named
	b.named = nil
	if !all {
		return fmt.Errorf("blobs that nothing names are kept: %w", pathmap.ErrNewerEntry)
	}
	maps.DeleteFunc(b.last, func(c cid.Cid, _ lease.Moment) bool { _, still := unnamed[c]; return !still })
	for c := range unnamed {
		if _, known := b.last[c]; !known && !named[c] {
			b.last[c] = now
		}
	}
	return nil
}

// expired are the blobs that may go.
func (b *Bytes) expired(may func(lease.Moment) bool) map[cid.Cid]lease.Moment {
	b.mu.Lock()
	all := maps.Clone(b.last)
	b.mu.Unlock()
	maps.DeleteFunc(all, func(_ cid.Cid, last lease.Moment) bool { return !may(last) })
	return all
}

// goes reports whether a blob has been neither named nor asked for since a moment, and is
// removed now. It is called with the blob's lock held, so that a push is either seen or comes
// after the removal.
func (b *Bytes) goes(c cid.Cid, since lease.Moment) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	last, unnamed := b.last[c]
	if !unnamed || last != since {
		return false
	}
	b.going[c]++
	b.swept, b.regained = c, false
	return true
}

// gone notes that a blob that was going has been removed, or stays after all.
func (b *Bytes) gone(c cid.Cid, removed bool) {
	b.mu.Lock()
	if b.going[c]--; b.going[c] == 0 {
		delete(b.going, c)
	}
	if removed {
		delete(b.last, c)
	}
	missed := removed && b.regained && c.Equals(b.swept) && b.missed != nil
	if c.Equals(b.swept) {
		b.swept = cid.Undef
	}
	b.mu.Unlock()
	if missed {
		b.missed()
	}
}
