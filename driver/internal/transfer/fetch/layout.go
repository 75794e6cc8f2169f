package fetch

import (
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
const atOnce = 8

// here is the part of a blob that has arrived.
type here struct {
	laidOut chan struct{} // closed when the fields below are set
	layout  *dag.Layout
	partial *blob.Partial // nil: nothing is kept, or the blob has one leaf
	// leaf is the whole content of a blob that has one leaf. Readers get it from memory, even
	// before it is kept.
	leaf  atomic.Pointer[blob.Leaf]
	unpin blob.Unpin  // of a blob of one leaf; nil: the transfer has not kept it
	torn  atomic.Bool // perhaps nobody has the rest; only the coordinator sets it
}

// layout returns how the blob's leaves lie; nil until that is known.
func (j *Job) layout() *dag.Layout {
	select {
	case <-j.here.laidOut:
		return j.here.layout
	default:
		return nil
	}
}

// partial returns the file of what has arrived; nil until the layout is known, and when nothing
// is kept in a file.
func (j *Job) partial() *blob.Partial {
	if j.layout() == nil {
		return nil
	}
	return j.here.partial
}

// small reports whether the blob is held in memory until it is kept.
func (j *Job) small() bool { return j.passage == nil && dag.LeavesOf(j.ref.Size) == 1 }

// Content returns what has arrived of the blob; only verified bytes can be read from it. It is nil
// until something can be read.
func (j *Job) Content() io.ReaderAt {
	if leaf := j.here.leaf.Load(); leaf != nil {
		return leaf
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

// Verified returns the leaves that other members may ask for; nil until the layout is known. It
// hashes nothing: a leaf that an earlier run left counts only once it has been hashed.
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

// open learns the layout of the blob, and opens the part of the blob that is here.
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
	if j.small() && j.whole() { // it came after the reader looked for it
		if b, err := j.f.Blobs.Block(j.ctx, j.ref.CID); err == nil {
			if leaf, err := blob.NewLeaf(layout, b); err == nil {
				j.here.leaf.Store(leaf)
			}
		}
	}
	j.here.layout = layout
	close(j.here.laidOut)
	j.send(laidOut{})
}

// whole reports whether the blob is here by now, with all its bytes.
func (j *Job) whole() bool {
	size, err := j.f.Blobs.Size(j.ref.CID)
	return err == nil && size == j.ref.Size
}

// learn gets the blob's inner blocks from any holder, and reads the layout from them.
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
			return nil, nil, err // blocks are verified: the reference is wrong, whoever is asked
		}
		select {
		case <-news:
		case <-j.ctx.Done():
		}
	}
}

// block gets a verified inner block from this registry, from any holder or by bitswap.
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

// borrow takes a holder that can be asked for inner blocks, but none of those in but.
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

// blockOfHolders asks a holder for an inner block, and another holder whenever nothing has come
// for a moment, because all leaves wait for the block. When there was no holder to ask, none says
// more about that.
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
				next.Reset(j.f.Timing.Hedge)
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

// settledBlock asks a holder for a block, and gives the holder back. It returns nil when the block
// did not come.
func (j *Job) settledBlock(ctx context.Context, id peer.ID, c cid.Cid) []byte {
	began := time.Now()
	b, err := j.blockFrom(ctx, id, c)
	if ctx.Err() != nil {
		err = errOvertaken
		if b == nil && time.Since(began) >= j.f.Timing.Hedge {
			err = errMute
		}
		j.send(returned{id, err, time.Since(began)})
		return b
	}
	j.send(returned{id, err, time.Since(began)})
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

// reuse copies leaves from other blobs here that have them as well. A leaf is fetched only after
// reuse has looked for it.
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
		if d&(d+1) == 0 || d%32 == 31 || d == n-1 { // the first ones at once, then 32 at a time
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

// spanOf returns where a leaf begins in a blob, and how many bytes it has.
func spanOf(ref dag.Ref, leaf int) (from, length int64) { return dag.Profile().Span(leaf, ref.Size) }
