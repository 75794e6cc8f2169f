package holders

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/sync/errgroup"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/wire"
)

// proofsAtOnce is how many members are asked for a proof at the same time. Each takes a leaf of
// memory.
const proofsAtOnce = 8

// slowest is how many bytes of a proof a trusted member has to send in Config.Ask so as to be waited
// for, and longest how many times that at most.
const (
	slowest = 8 << 10
	longest = 5
)

// prove asks members that say they hold a blob, and whose word counts for nothing, for a leaf of it.
// It returns one that has sent the leaf. Who has not in Config.Ask is avoided for the blob; a trusted
// member on a slow link is given longer.
func (d *Directory) prove(ctx context.Context, ref dag.Ref, ids []peer.ID) (proved []peer.ID) {
	ctx, cancel := context.WithTimeoutCause(ctx, longest*d.cfg.Ask, wire.ErrSilent)
	defer cancel()
	ctx, give := context.WithCancelCause(ctx)
	defer give(nil)
	defer context.AfterFunc(d.ctx, cancel)()
	patience := time.AfterFunc(d.cfg.Ask, func() { give(wire.ErrSilent) })
	defer patience.Stop()
	slices.SortStableFunc(ids, func(a, b peer.ID) int { return d.after(a) - d.after(b) })
	var mu sync.Mutex
	var g errgroup.Group
	g.SetLimit(proofsAtOnce)
	for _, id := range ids {
		if ctx.Err() != nil {
			break
		}
		g.Go(func() error {
			if !d.proves(ctx, id, ref, func() { patience.Reset(d.cfg.Ask) }) {
				return nil
			}
			give(nil)
			mu.Lock()
			defer mu.Unlock()
			proved = append(proved, id)
			return nil
		})
	}
	_ = g.Wait() // no function of it returns an error
	return proved
}

// after is 0 for a member that is asked first.
func (d *Directory) after(id peer.ID) int {
	if d.cfg.Trusts(id) {
		return 0
	}
	return 1
}

// proves asks one member for any leaf, and notes what comes of it. progress is called while a trusted
// member sends enough.
func (d *Directory) proves(ctx context.Context, id peer.ID, ref dag.Ref, progress func()) bool {
	sends := false
	err := d.anyLeaf(ctx, id, ref, func() {
		if d.cfg.Trusts(id) {
			sends = true
			progress()
		}
	})
	switch {
	case err == nil:
		d.Proved(id)
		d.proofs.add(id, ref.CID)
		return true
	case ctx.Err() != nil && !errors.Is(context.Cause(ctx), wire.ErrSilent):
		return false // another one was faster, or nobody waits any more
	case ctx.Err() != nil && sends:
		return false // it is slow, and may have it all the same
	case ctx.Err() != nil, errors.Is(err, wire.ErrLied):
		d.Sink(id)
	}
	d.Blame(id, ref.CID)
	return false
}

// anyLeaf gets a leaf that nobody can foresee, and verifies it. progress is called whenever a part of
// it has come.
func (d *Directory) anyLeaf(ctx context.Context, id peer.ID, ref dag.Ref, progress func()) error {
	layout, _, err := dag.ReadLayout(ctx, ref.CID, ref.Size, func(ctx context.Context, c cid.Cid) ([]byte, error) {
		b, err := d.cfg.Client.Block(ctx, id, c)
		if err == nil && dag.Matches(c, b) {
			progress()
		}
		return b, err
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
	for part := range slices.Chunk(b, slowest) {
		if _, err := io.ReadFull(body, part); err != nil {
			return wire.Because(ctx, id, err)
		}
		progress()
	}
	if !layout.Matches(leaf, b) {
		return wire.Blame(id, wire.ErrLied)
	}
	return nil
}
