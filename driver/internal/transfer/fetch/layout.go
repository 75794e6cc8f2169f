package fetch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/bitset"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/wire"
)

// atOnce is how many holders are asked for one inner block at the same time.
const atOnce = 3

// here is what has arrived of a blob.
type here struct {
	laidOut chan struct{} // closed when the fields below are set
	layout  *dag.Layout
	partial *blob.Partial // nil: nothing is kept, or the blob has one leaf
	// leaf is all of a blob that has one leaf. It goes to whoever waits for it from memory,
	// and is kept when it is whole.
	leaf  atomic.Pointer[[]byte]
	unpin blob.Unpin  // of a blob of one leaf; nil: it is not kept
	torn  atomic.Bool // it is possible that nobody has the rest; the coordinator's
}

// layout is how the blob's leaves lie; nil until that is known.
func (j *Job) layout() *dag.Layout {
	select {
	case <-j.here.laidOut:
		return j.here.layout
	default:
		return nil
	}
}

// partial is what has arrived; nil until the layout is known, and when nothing is kept.
func (j *Job) partial() *blob.Partial {
	if j.layout() == nil {
		return nil
	}
	return j.here.partial
}

// small reports whether the blob is held in memory until it is kept.
func (j *Job) small() bool { return j.passage == nil && dag.LeavesOf(j.ref.Size) == 1 }

// Content is what has arrived of the blob, to be read where it is verified; nil until
// something can be.
func (j *Job) Content() io.ReaderAt {
	if leaf := j.here.leaf.Load(); leaf != nil {
		return bytes.NewReader(*leaf)
	}
	if p := j.partial(); p != nil {
		return p
	}
	return nil
}

// Has reports whether leaf i is here and verified.
func (j *Job) Has(i int) bool {
	if j.here.leaf.Load() != nil {
		return i == 0
	}
	p := j.partial()
	return p != nil && p.Have(i)
}

// Verified returns the leaves that others may ask for; nil until the layout is known. It
// hashes nothing: a leaf that an earlier run left counts only once it was hashed.
func (j *Job) Verified() bitset.Set {
	if j.here.leaf.Load() != nil {
		return bitset.Full(1)
	}
	p := j.partial()
	if p == nil {
		return nil
	}
	return p.Verified()
}

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
