package transfer

import (
	"context"
	"errors"
	"fmt"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/wire"
)

// Copy is what a member has of a blob.
type Copy = wire.Copy

// MaxCopies is how many blobs one question about copies names at most.
const MaxCopies = wire.MaxCopies

var errOffline = errors.New("this registry is offline")

// Copies asks a member what it has of each of up to MaxCopies blobs, and returns as many answers,
// in the same order. With relies, what the member keeps is counted on: see Config.Asked. An error
// means that nothing is known: the member is away, not trusted, busy, or of an earlier release.
func (t *Transfers) Copies(ctx context.Context, id peer.ID, cids []cid.Cid, relies bool) ([]Copy, error) {
	if t.client == nil {
		return nil, errOffline
	}
	if !t.cfg.Swarm.Trusts(id) {
		return nil, fmt.Errorf("ask %s about copies: it is not trusted", id)
	}
	copies, err := t.client.Copies(ctx, id, wire.CopiesQuestion{CIDs: cids, Relies: relies})
	if err != nil {
		return nil, fmt.Errorf("ask about copies: %w", err)
	}
	return copies, nil
}

// serveCopies answers what Copies asks.
func (t *Transfers) serveCopies(ctx context.Context, from peer.ID, q wire.CopiesQuestion) ([]Copy, error) {
	if !t.cfg.Swarm.Trusts(from) {
		return nil, wire.ErrStranger
	}
	copies := make([]Copy, len(q.CIDs))
	for i, c := range q.CIDs {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		copies[i] = t.Copy(c, q.Relies)
	}
	return copies, nil
}

// Copy says what is here of a blob. With relies, a member counts on it if it is kept: that it asked
// is noted before anything is looked at.
func (t *Transfers) Copy(c cid.Cid, relies bool) Copy {
	if relies && !t.asked(c) {
		return Copy{}
	}
	kept := t.cfg.Kept != nil && t.cfg.Kept(c)
	if size, err := t.cfg.Blobs.Size(c); err == nil {
		n := dag.LeavesOf(size)
		return Copy{Whole: true, Kept: kept, Leaves: n, Of: n}
	}
	here, of := t.cfg.Blobs.Arrived(c)
	return Copy{Leaves: here, Of: of}
}
