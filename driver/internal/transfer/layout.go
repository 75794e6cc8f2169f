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
func (j *job) open() {
	layout, inner, err := j.learn()
	if err == nil && j.passage == nil && !j.small() {
		if j.here.partial, err = j.t.cfg.Blobs.Partial(layout, inner); err != nil {
			err = notKept(err)
		}
	}
	if err != nil {
		j.cancel(err)
		return
	}
	if j.small() && j.t.whole(j.ref) { // since the reader looked
		if leaf, err := j.t.cfg.Blobs.Block(j.ctx, j.ref.CID); err == nil {
			j.here.leaf.Store(&leaf)
		}
	}
	j.here.layout = layout
	close(j.here.laidOut)
	j.send(laidOut{})
}

// learn gets the blob's inner blocks, from any holder.
func (j *job) learn() (*dag.Layout, []blocks.Block, error) {
	for {
		news := j.news.Wait()
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
		case <-news:
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
		b, none := j.blockOfHolders(ctx, c)
		if b != nil {
			j.meter.progress()
			return b, nil
		}
		if none != nil {
			return j.blockByBitswap(ctx, c, none.all)
		}
	}
	return nil, ctx.Err()
}

// borrow takes a holder of inner blocks, but none of those named.
func (j *job) borrow(but ...peer.ID) (b borrowed) {
	answer := make(chan borrowed, 1)
	if !j.send(borrow{but, answer}) {
		return b
	}
	select {
	case b = <-answer:
	case <-j.end.stopped:
	}
	return b
}

// blockOfHolders asks a holder, and a further one whenever nothing has come for a moment,
// because the leaves wait for this. When there was no holder to ask, none tells about that.
func (j *job) blockOfHolders(ctx context.Context, c cid.Cid) (b []byte, none *borrowed) {
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
			got := j.borrow(whom...)
			if id := got.holder; id != "" {
				whom, out = append(whom, id), out+1
				wg.Go(func() { answers <- j.settledBlock(ctx, id, c) })
			}
			switch {
			case len(whom) == 0:
				return nil, &got
			case out == 0:
				return nil, nil
			}
			if out < atOnce {
				next.Reset(j.t.timing.grace)
			}
		case b := <-answers:
			if out--; b != nil {
				return b, nil
			}
			next.Reset(0)
		case <-ctx.Done():
			return nil, nil
		}
	}
}

// settledBlock returns nil when the holder did not give the block.
func (j *job) settledBlock(ctx context.Context, id peer.ID, c cid.Cid) []byte {
	b, err := j.blockFrom(ctx, id, c)
	if ctx.Err() != nil {
		j.send(returned{id, errOvertaken})
		return b
	}
	j.send(returned{id, err})
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

// blockByBitswap waits until every member was asked.
func (j *job) blockByBitswap(ctx context.Context, c cid.Cid, asked bool) ([]byte, error) {
	if j.t.cfg.Bitswap == nil || !asked {
		return nil, errUnasked
	}
	ctx, cancel := context.WithTimeout(ctx, 2*j.t.timing.ask)
	defer cancel()
	b, err := j.t.cfg.Bitswap(ctx, c)
	if err != nil || !dag.Matches(c, b) {
		err = fmt.Errorf("block %s by bitswap: %w", c, errors.Join(err, ctx.Err(), errUnasked))
		j.send(swapped{err})
		return nil, err
	}
	j.send(swapped{nil})
	j.received(len(b))
	j.meter.progress()
	return b, nil
}
