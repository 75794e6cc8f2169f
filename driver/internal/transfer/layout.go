package transfer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/wire"
)

// atOnce is how many holders are asked for one inner block at the same time.
const atOnce = 3

// open learns the leaves of the blob, and opens the part of it that is here.
func (j *job) open() error {
	layout, inner, err := j.learn()
	if err != nil {
		return err
	}
	partial, err := j.t.cfg.Blobs.Partial(layout, inner)
	if err != nil {
		return notKept(err)
	}
	j.line = newLine(j.t.cfg.Swarm.ID(), layout.Leaves())
	j.plan.begin(layout, partial)
	close(j.laidOut)
	j.progress()
	j.changed.raise()
	return nil
}

// learn gets the blob's inner blocks, from any holder.
func (j *job) learn() (*dag.Layout, []blocks.Block, error) {
	for {
		changed := j.changed.wait()
		layout, inner, err := dag.ReadLayout(j.ctx, j.ref.CID, j.ref.Size, j.block)
		switch {
		case j.ctx.Err() != nil:
			return nil, nil, context.Cause(j.ctx)
		case err == nil:
			return layout, inner, nil
		case errors.Is(err, dag.ErrBadDAG):
			return nil, nil, err // its blocks are verified: the reference is wrong, whichever member is asked
		}
		select {
		case <-changed:
		case <-j.ctx.Done():
		}
	}
}

// block gets an inner block, verified, from this registry or from any holder.
func (j *job) block(ctx context.Context, c cid.Cid) ([]byte, error) {
	b, err := j.t.cfg.Blobs.Block(ctx, c)
	if err == nil || !errors.Is(err, blob.ErrNotFound) {
		return b, err
	}
	for ctx.Err() == nil {
		b, asked := j.blockOfHolders(ctx, c)
		if b != nil {
			j.progress()
			return b, nil
		}
		if !asked {
			return j.blockByBitswap(ctx, c)
		}
	}
	return nil, ctx.Err()
}

// blockOfHolders asks a holder, and a further one whenever nothing has come for a moment,
// because the leaves wait for this. False when there was no holder to ask.
func (j *job) blockOfHolders(ctx context.Context, c cid.Cid) (b []byte, asked bool) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	answers := make(chan []byte, atOnce)
	next := time.NewTimer(0)
	defer next.Stop()
	var whom []peer.ID
	for out := 0; ; {
		select {
		case <-next.C:
			if id, ok := j.roster.pick(anyLeaf, whom...); ok {
				whom, out = append(whom, id), out+1
				wg.Go(func() { answers <- j.settledBlock(ctx, id, c) })
			}
			if out == 0 {
				return nil, len(whom) > 0
			}
			if out < atOnce {
				next.Reset(j.t.timing.grace)
			}
		case b := <-answers:
			if out--; b != nil {
				return b, true
			}
			next.Reset(0)
		case <-ctx.Done():
			return nil, true
		}
	}
}

// settledBlock returns nil when the holder did not give the block.
func (j *job) settledBlock(ctx context.Context, id peer.ID, c cid.Cid) []byte {
	b, err := j.blockFrom(ctx, id, c)
	j.settle(ctx, id, err)
	if err != nil {
		return nil
	}
	return b
}

func (j *job) blockFrom(ctx context.Context, id peer.ID, c cid.Cid) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, j.t.timing.silence, wire.ErrSilent)
	defer cancel()
	b, err := j.t.client.Block(ctx, id, c)
	if err != nil {
		return nil, wire.Because(ctx, id, err)
	}
	j.received(len(b))
	if !dag.Matches(c, b) {
		return nil, wire.Blame(id, fmt.Errorf("block %s: %w", c, wire.ErrLied))
	}
	return b, nil
}

func (j *job) blockByBitswap(ctx context.Context, c cid.Cid) ([]byte, error) {
	if j.t.cfg.Bitswap == nil || !j.asked.Load() {
		return nil, errUnasked
	}
	ctx, cancel := context.WithTimeout(ctx, 2*j.t.timing.ask)
	defer cancel()
	b, err := j.t.cfg.Bitswap(ctx, c)
	if err != nil || !dag.Matches(c, b) {
		j.bitswapFailed.Store(true)
		return nil, fmt.Errorf("block %s by bitswap: %w", c, errors.Join(err, ctx.Err(), errUnasked))
	}
	j.bitswapWorks.Store(true)
	j.received(len(b))
	j.progress()
	return b, nil
}
