package replica

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/replica/place"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer"
)

// askTime is how long one question to a member may take.
const askTime = 10 * time.Second

// ErrNotStarted reports that a registry does not know the others well enough yet.
var ErrNotStarted = errors.New("this registry has just started, and does not know all others yet")

// Copy is what a registry has of a blob.
type Copy = transfer.Copy

// Kept reports whether a blob is here, synced, not being given up, and kept: this registry is one
// of its keepers, as far as it knows. A registry with 0 copies has no keepers to compare itself
// with: it keeps all that is here, until it gives it up because another one keeps it as well.
func (k *Keeper) Kept(c cid.Cid) bool {
	if !k.started.Load() {
		return false
	}
	h := place.Held{Leaving: k.draining() || k.leaving.has(c)}
	h.Keeper = k.cfg.Copies == 0 || k.settled.Load() && k.Keeps(c)
	h.Safe = h.Keeper && k.blobs.Safe(c)
	return h.Kept()
}

func (k *Keeper) draining() bool { return k.cfg.Draining != nil && k.cfg.Draining() }

// Ask asks a trusted member what it has of each of some blobs, and returns as many answers in
// their order. After an error nothing is known, which never counts as a copy: the member is
// away, busy, or of an earlier release. The answers are of a moment after the call, and only to
// be shown or to be fetched from: to give a copy up, see GiveUp.
func (k *Keeper) Ask(ctx context.Context, member peer.ID, blobs []cid.Cid) ([]Copy, error) {
	return k.ask(ctx, member, blobs, false)
}

func (k *Keeper) ask(ctx context.Context, member peer.ID, blobs []cid.Cid, relies bool) (all []Copy, err error) {
	if !k.started.Load() {
		return nil, ErrNotStarted
	}
	for some := range slices.Chunk(blobs, transfer.MaxCopies) {
		copies, err := k.askOnce(ctx, member, some, relies)
		if err != nil {
			return nil, err
		}
		all = append(all, copies...)
	}
	return all, nil
}

func (k *Keeper) askOnce(ctx context.Context, member peer.ID, blobs []cid.Cid, relies bool) ([]Copy, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	return k.transfers.Copies(ctx, member, blobs, relies)
}

// Have is what Ask asks, of this registry itself.
func (k *Keeper) Have(blobs []cid.Cid) ([]Copy, error) {
	if !k.started.Load() {
		return nil, ErrNotStarted
	}
	all := make([]Copy, len(blobs))
	for i, c := range blobs {
		all[i] = k.transfers.Copy(c, false)
	}
	return all, nil
}
