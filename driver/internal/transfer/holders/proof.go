package holders

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"sync"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/sync/errgroup"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/wire"
)

// proofsAtOnce is how many members are asked for a proof at the same time. Each takes a leaf of
// memory.
const proofsAtOnce = 8

// prove asks members that say they hold a blob, and whose word counts for nothing, for a leaf of it.
// It returns one that has sent the leaf. Who has not in Config.Ask is avoided for the blob.
func (d *Directory) prove(ctx context.Context, ref dag.Ref, ids []peer.ID) (proved []peer.ID) {
	ctx, cancel := context.WithTimeoutCause(ctx, d.cfg.Ask, wire.ErrSilent)
	defer cancel()
	defer context.AfterFunc(d.ctx, cancel)()
	var mu sync.Mutex
	var g errgroup.Group
	g.SetLimit(proofsAtOnce)
	for _, id := range ids {
		if ctx.Err() != nil {
			break
		}
		g.Go(func() error {
			if !d.proves(ctx, id, ref) {
				return nil
			}
			cancel()
			mu.Lock()
			defer mu.Unlock()
			proved = append(proved, id)
			return nil
		})
	}
	_ = g.Wait() // no function of it returns an error
	return proved
}

// proves asks one member for any leaf, and notes what comes of it.
func (d *Directory) proves(ctx context.Context, id peer.ID, ref dag.Ref) bool {
	err := d.anyLeaf(ctx, id, ref)
	switch {
	case err == nil:
		d.Proved(id)
		d.proofs.add(id, ref.CID)
		return true
	case ctx.Err() != nil && !errors.Is(context.Cause(ctx), wire.ErrSilent):
		return false // another one was faster, or nobody waits any more
	case ctx.Err() != nil, errors.Is(err, wire.ErrLied):
		d.Sink(id)
	}
	d.Blame(id, ref.CID)
	return false
}

// anyLeaf gets a leaf that nobody can foresee, and verifies it.
func (d *Directory) anyLeaf(ctx context.Context, id peer.ID, ref dag.Ref) error {
	layout, _, err := dag.ReadLayout(ctx, ref.CID, ref.Size, func(ctx context.Context, c cid.Cid) ([]byte, error) {
		return d.cfg.Client.Block(ctx, id, c)
	})
	if err != nil {
		return err
	}
	leaf := rand.IntN(layout.Leaves())
	from, length := layout.Span(leaf)
	if length == 0 {
		return nil // the empty blob
	}
	body, err := d.cfg.Client.Span(ctx, id, ref.CID, from, from+length, wire.Terms{})
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	b := make([]byte, length)
	if _, err := io.ReadFull(body, b); err != nil {
		return wire.Because(ctx, id, err)
	}
	if !layout.Matches(leaf, b) {
		return wire.Blame(id, wire.ErrLied)
	}
	return nil
}
