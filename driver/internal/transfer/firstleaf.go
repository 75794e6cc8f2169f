package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/sync/errgroup"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/wire"
)

// fetchFirstLeaf fetches the leaf a client waits for while the blob's inner blocks are still on
// their way: where a leaf lies follows from the size alone. The leaf is verified when they
// are here.
func (j *job) fetchFirstLeaf() {
	defer close(j.firstLeafDone)
	if j.wanted < 0 || j.ref.Size <= dag.LeafSize || j.plan.blob() != nil {
		return
	}
	if _, err := j.t.cfg.Blobs.Block(j.ctx, j.ref.CID); err == nil {
		return // resumed: perhaps the leaf is here as well
	}
	id, ok := j.awaitHolder(j.wanted)
	if !ok {
		return
	}
	r := &run{first: j.wanted, from: j.wanted, to: j.wanted + 1, id: id, began: time.Now()}
	j.plan.claim(r)
	defer j.changed.raise()
	defer func() { j.plan.release(r) }()
	from := int64(j.wanted) * dag.LeafSize
	buf := make([]byte, min(dag.LeafSize, j.ref.Size-from))
	r, err := j.firstLeaf(r, from, buf)
	if err == nil && j.awaitLayout() {
		if err = j.put(r.from, buf); err == nil {
			j.plan.skip(r)
			j.landed()
		} else {
			err = wire.Blame(r.id, err)
		}
	}
	j.settle(j.ctx, r.id, err)
}

// awaitHolder waits for a holder of a leaf and takes it.
func (j *job) awaitHolder(leaf int) (peer.ID, bool) {
	for {
		changed := j.changed.wait()
		if id, ok := j.roster.pick(leaf); ok {
			return id, true
		}
		select {
		case <-changed:
		case <-j.laidOut:
			return "", false // no hurry: the workers will fetch it
		case <-j.ctx.Done():
			return "", false
		}
	}
}

func (j *job) awaitLayout() bool {
	select {
	case <-j.laidOut:
		return true
	case <-j.ctx.Done():
		return false
	}
}

// inPieces receives a leaf over several connections at once, which takes fewer round trips
// than over one that has yet to find its speed. It verifies nothing. The error is a
// wire.RelayedError when the holder names others.
func (j *job) inPieces(r *run, from int64, buf []byte, how wire.Terms) error {
	ctx, cut := context.WithCancelCause(j.ctx)
	defer cut(nil)
	j.plan.started(r, cut)
	size := max((len(buf)+pieces-1)/pieces, minPiece)
	g, ctx := errgroup.WithContext(ctx)
	var refused atomic.Pointer[error]
	for at := 0; at < len(buf); at += size {
		part := buf[at:min(at+size, len(buf))]
		g.Go(func() error {
			err := j.piece(ctx, cut, r, from+int64(at), part, how)
			if relayed := new(wire.RelayedError); errors.As(err, &relayed) || errors.Is(err, wire.ErrNotYet) {
				refused.Store(&err) // the other connections are not cut for that
				return nil
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return wire.Because(ctx, r.id, err)
	}
	if err := refused.Load(); err != nil {
		return *err
	}
	if r.patience == 0 { // else it may have waited
		j.roster.measured(r.id, int64(len(buf)), time.Since(r.began))
	}
	return nil
}

// piece receives a part of a leaf; when the part does not come, cut ends all of them.
func (j *job) piece(ctx context.Context, cut context.CancelCauseFunc, r *run, from int64, part []byte, how wire.Terms) error {
	guard := newGuard(j, r, cut)
	defer guard.stop()
	body, err := j.span(ctx, r.id, from, from+int64(len(part)), how)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	guard.body = body
	if _, err = io.ReadFull(guard, part); err != nil {
		return err
	}
	return drained(body)
}

// drained reads a body to its end, so that its connection can be used again.
func drained(body io.Reader) error {
	var b [1]byte
	if n, err := body.Read(b[:]); n > 0 || !errors.Is(err, io.EOF) {
		return fmt.Errorf("more than was asked for: %w", errors.Join(wire.ErrLied, err))
	}
	return nil
}
