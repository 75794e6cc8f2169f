package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
)

// work fetches run after run until the blob is whole or the job ends.
func (j *job) work() {
	buf := make([]byte, blob.LeafSize)
	for most := firstRun; j.ctx.Err() == nil; {
		changed := j.changed.wait()
		r, whole := j.plan.next(most)
		if whole {
			j.cancel(errWhole)
			return
		}
		if r != nil {
			tried := j.bring(r, buf)
			j.plan.release(r)
			if tried {
				most = min(2*most, maxRun)
				j.changed.raise() // what was not brought is free again
				continue
			}
		}
		select {
		case <-changed:
		case <-j.ctx.Done():
		}
	}
}

// bring gets the leaves of a run, or some of them. False when there was nobody to
// ask.
func (j *job) bring(r *run, buf []byte) bool {
	if j.local(r) {
		return true
	}
	id, has, ok := j.roster.pick(r.from)
	if !ok {
		return false
	}
	for i := r.from; i < r.to; i++ {
		if !has(i) {
			j.plan.trim(r, i)
		}
	}
	j.settle(j.ctx, id, j.receive(r, id, buf))
	return true
}

// local takes the first leaves of a run out of other blobs that are here. True when
// that was all of it.
func (j *job) local(r *run) bool {
	for r.from < r.to {
		c, _, _ := j.plan.layout.Leaf(r.from)
		b, err := j.t.cfg.Blobs.Block(j.ctx, c)
		if err != nil || j.put(r.from, b) != nil {
			return false // one that cannot be read is as good as none
		}
		j.plan.skip(r)
		j.landed()
	}
	return true
}

// receive streams the leaves of a run from a holder, each verified before anybody
// sees it. It ends early, without an error, for a reader that waits for a leaf
// which nobody fetches.
func (j *job) receive(r *run, id peer.ID, buf []byte) error {
	ctx, cancel := context.WithCancelCause(j.ctx)
	defer cancel(nil)
	g := newGuard(j, id, cancel)
	defer g.stop()
	_, from, _ := j.plan.layout.Leaf(r.from)
	_, last, length := j.plan.layout.Leaf(r.to - 1)
	body, err := j.t.client.span(ctx, id, j.ref.CID, from, last+length)
	if err != nil {
		return because(ctx, id, err)
	}
	defer func() { _ = body.Close() }()
	g.body = body
	for r.from < r.to {
		_, _, length := j.plan.layout.Leaf(r.from)
		g.begin()
		if _, err := io.ReadFull(g, buf[:length]); err != nil {
			return because(ctx, id, err)
		}
		if err := j.put(r.from, buf[:length]); err != nil {
			return fmt.Errorf("%s: %w", id, err)
		}
		j.plan.skip(r)
		j.landed()
		if _, urgent := j.plan.urgent(); urgent {
			return nil
		}
	}
	return nil
}

// put stores a leaf. Bytes of another are errLied; where this machine fails, a full
// disk perhaps, the job ends.
func (j *job) put(i int, b []byte) error {
	err := j.plan.partial.Put(i, b)
	if errors.Is(err, blob.ErrBadLeaf) {
		return fmt.Errorf("%w: %w", errLied, err)
	}
	if err != nil {
		j.cancel(err)
	}
	return err
}

// settle gives a holder back, with what it did. Who was interrupted by ctx is not
// to blame.
func (j *job) settle(ctx context.Context, id peer.ID, err error) {
	if err != nil && ctx.Err() != nil {
		err = nil
	}
	if err != nil {
		j.mu.Lock()
		j.last = err
		j.mu.Unlock()
		log := j.log.WithError(err).WithField("peer", id)
		if errors.Is(err, errLied) {
			j.t.grudges.add(id, j.ref.CID)
			log.Warn("a member sent wrong bytes of a blob: trying others; its copy may be damaged")
		} else {
			log.Debug("a holder failed: trying others")
		}
	}
	j.roster.done(id, err)
	j.changed.raise()
}

// lastResort gets leaves by bitswap, one by one, while no member has the blob. It
// claims nothing: a member that comes back is faster.
func (j *job) lastResort() {
	for j.ctx.Err() == nil {
		changed := j.changed.wait()
		if j.asked.Load() && !j.roster.enough() {
			if leaf, missing := j.plan.lacking(); missing && j.leafByBitswap(leaf) == nil {
				j.landed()
				continue
			}
		}
		select {
		case <-changed:
		case <-j.ctx.Done():
		}
	}
}

func (j *job) leafByBitswap(leaf int) error {
	ctx, cancel := context.WithTimeout(j.ctx, j.t.pace.silence)
	defer cancel()
	c, _, _ := j.plan.layout.Leaf(leaf)
	b, err := j.t.cfg.Bitswap(ctx, c)
	if err == nil {
		j.t.in.Add(int64(len(b)))
		err = j.put(leaf, b)
	}
	if err != nil {
		j.bitswapFailed.Store(true)
		j.log.WithError(err).Debug("bitswap has no leaf either")
		return err
	}
	j.plan.arrived(leaf)
	return nil
}
