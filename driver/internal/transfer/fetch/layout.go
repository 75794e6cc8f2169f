package fetch

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
func (j *Job) open() {
	layout, inner, err := j.learn()
	if err == nil && j.passage == nil && !j.small() {
		if j.here.partial, err = j.f.Blobs.Partial(layout, inner); err != nil {
			err = NotKept(err)
		}
	}
	if err != nil {
		j.cancel(err)
		return
	}
	if j.small() && j.whole() { // since the reader looked
		if leaf, err := j.f.Blobs.Block(j.ctx, j.ref.CID); err == nil {
			j.here.leaf.Store(&leaf)
		}
	}
	j.here.layout = layout
	close(j.here.laidOut)
	j.send(laidOut{})
}

// whole reports whether the blob is here by now with all its bytes.
func (j *Job) whole() bool {
	size, err := j.f.Blobs.Size(j.ref.CID)
	return err == nil && size == j.ref.Size
}

// learn gets the blob's inner blocks, from any holder.
func (j *Job) learn() (*dag.Layout, []blocks.Block, error) {
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
func (j *Job) block(ctx context.Context, c cid.Cid) ([]byte, error) {
	b, err := j.f.Blobs.Block(ctx, c)
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
func (j *Job) borrow(but ...peer.ID) (b borrowed) {
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
func (j *Job) blockOfHolders(ctx context.Context, c cid.Cid) (b []byte, none *borrowed) {
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
				next.Reset(j.f.Timing.Grace)
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
func (j *Job) settledBlock(ctx context.Context, id peer.ID, c cid.Cid) []byte {
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

func (j *Job) blockFrom(ctx context.Context, id peer.ID, c cid.Cid) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, j.f.Timing.Silence, wire.ErrSilent)
	defer cancel()
	b, err := j.f.Client.Block(ctx, id, c)
	if err != nil {
		return nil, wire.Because(ctx, id, err)
	}
	j.received(len(b))
	if !dag.Matches(c, b) {
		return nil, wire.Blame(id, fmt.Errorf("block %s: %w", c, wire.ErrLied))
	}
	return b, nil
}

// reuse copies leaves of this blob from other blobs here that have them. A leaf is fetched
// only after reuse has looked for it.
func (j *Job) reuse() {
	n := j.here.layout.Leaves()
	var found, clear []int
	for d := range n {
		if j.ctx.Err() != nil {
			return
		}
		leaf := (max(j.why.Leaf, 0) + d) % n
		c, _, _ := j.here.layout.Leaf(leaf)
		if here, err := j.f.Blobs.HasLeaf(j.ctx, c); err == nil && here {
			found = append(found, leaf)
		} else {
			clear = append(clear, leaf)
		}
		if d&(d+1) == 0 || d%32 == 31 || d == n-1 { // at once at first, then by the dozen
			j.send(seen{clear})
			clear = nil
		}
	}
	for _, leaf := range found {
		j.copyLeaf(leaf)
		j.send(seen{[]int{leaf}})
	}
}

// copyLeaf copies one leaf from another blob. A leaf that cannot be read counts as missing.
func (j *Job) copyLeaf(leaf int) {
	if j.Has(leaf) {
		return
	}
	c, _, _ := j.here.layout.Leaf(leaf)
	if b, err := j.f.Blobs.Block(j.ctx, c); err == nil {
		_ = j.take(leaf, b, nil)
	}
}

// spanOf is where a leaf lies in a blob, and how many bytes it has.
func spanOf(ref dag.Ref, leaf int) (from, length int64) { return dag.Profile().Span(leaf, ref.Size) }
