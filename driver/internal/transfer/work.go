package transfer

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/wire"
)

// work fetches run after run until the blob is whole or the job ends. An urgent
// worker fetches only what readers wait for.
func (j *job) work(urgent bool) {
	buf := make([]byte, min(dag.LeafSize, max(j.ref.Size, 1)))
	for j.ctx.Err() == nil {
		changed := j.changed.wait()
		r, whole := j.next(urgent)
		switch {
		case whole:
			j.cancel(errWhole)
			return
		case r != nil:
			r, err := j.bring(r, buf)
			j.settle(j.ctx, r.id, err)
			j.plan.release(r)
			j.changed.raise() // leaves that were not brought are free again
		default:
			j.rest(changed, urgent)
		}
	}
}

// rest waits for a change, or until it is time to do what others were expected to do.
func (j *job) rest(changed <-chan struct{}, urgent bool) {
	if !urgent {
		j.idlers.Add(1)
		defer j.idlers.Add(-1)
	}
	timer := time.NewTimer(j.t.timing.yield)
	defer timer.Stop()
	select {
	case <-changed:
	case <-timer.C:
	case <-j.ctx.Done():
	}
}

// bring gets the leaves of a run, or some of them. The run that it returns is that of the
// holder which gave them or failed.
func (j *job) bring(r *run, buf []byte) (*run, error) {
	if !j.begun() {
		if _, from, length := j.plan.layout.Leaf(r.from); length > minPiece {
			return j.bringFirst(r, from, buf[:length])
		}
	}
	err := j.receive(r, buf)
	var relayed *wire.RelayedError
	if errors.As(err, &relayed) {
		return j.laterLeaf(r, relayed.IDs, buf)
	}
	return r, err
}

func (j *job) bringFirst(r *run, from int64, buf []byte) (*run, error) {
	r, err := j.firstLeaf(r, from, buf)
	if err == nil {
		err = j.keep(r, r.from, buf)
	}
	return r, err
}

// receive streams the leaves of a run from a holder, each verified before a reader sees it.
func (j *job) receive(r *run, buf []byte) error {
	ctx, cancel := context.WithCancelCause(j.ctx)
	defer cancel(nil)
	g := newGuard(j, r, cancel)
	defer g.stop()
	j.plan.started(r, cancel)
	leaf, to := j.plan.span(r)
	if leaf == to {
		return nil
	}
	_, from, _ := j.plan.layout.Leaf(leaf)
	_, last, length := j.plan.layout.Leaf(to - 1)
	body, err := j.span(ctx, r.id, from, last+length, r.terms)
	if err != nil {
		return wire.Because(ctx, r.id, err)
	}
	defer func() { _ = body.Close() }()
	defer func() { j.roster.measured(r.id, r.got.Load(), time.Since(r.began)) }()
	g.body = body
	for ok := true; ok; leaf, ok = j.plan.head(r) {
		_, _, length := j.plan.layout.Leaf(leaf)
		g.begin()
		if _, err := io.ReadFull(g, buf[:length]); err != nil {
			return wire.Because(ctx, r.id, err)
		}
		if err := j.keep(r, leaf, buf[:length]); err != nil {
			return err
		}
	}
	if leaf < to {
		return nil // a faster worker took the rest
	}
	return drained(body)
}

// keep stores the first leaf of a run.
func (j *job) keep(r *run, leaf int, b []byte) error {
	if err := j.put(leaf, b); err != nil {
		return wire.Blame(r.id, err)
	}
	j.plan.skip(r)
	j.landed()
	return nil
}

// put stores a leaf. Wrong bytes are wire.ErrLied; when this machine fails, for example on a
// full disk, the job ends.
func (j *job) put(i int, b []byte) error {
	err := j.plan.partial.Put(i, b)
	if errors.Is(err, blob.ErrBadLeaf) {
		return &wrongLeaf{i, err}
	}
	if err != nil {
		j.cancel(notKept(err))
	}
	return err
}

// settle gives a holder back, and notes what it did. A holder that was interrupted by ctx
// is not to blame.
func (j *job) settle(ctx context.Context, id peer.ID, err error) {
	if err != nil && ctx.Err() != nil || errors.Is(err, errOvertaken) {
		err = nil
	} else if err == nil && j.roster.holds(id) {
		j.t.lately.Store(id)
	}
	if err != nil {
		j.noteFailure(err)
		log := j.log.WithError(err).WithField("peer", id)
		if errors.Is(err, wire.ErrLied) {
			j.t.grudges.add(id, j.ref.CID)
			log.Warn("a member sent wrong bytes of a blob: trying others; its copy may be damaged")
			if wrong := new(wrongLeaf); errors.As(err, &wrong) {
				j.t.tellHolder(id, j.ref.CID, wrong.leaf)
			}
		} else {
			log.Debug("a holder failed: trying others")
		}
	}
	j.roster.done(id, err)
	j.changed.raise()
}

// noteFailure keeps how a holder failed for the error of the whole transfer. Wrong bytes say
// more than what comes after them: a holder that hears that its copy is damaged sets it
// aside, no longer has it, and may be too busy with that to answer.
func (j *job) noteFailure(err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !errors.Is(j.last, wire.ErrLied) || errors.Is(err, wire.ErrLied) {
		j.last = err
	}
}

// lastResort gets leaves by bitswap, one by one, while no member has the blob. It
// claims nothing: a member that comes back is faster.
func (j *job) lastResort() {
	for j.ctx.Err() == nil {
		changed := j.changed.wait()
		if j.asked.Load() && !j.roster.enough() {
			if leaf, missing := j.lacking(); missing && j.leafByBitswap(leaf) == nil {
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
	patience := 2 * j.t.timing.ask // possibly no member has it
	if j.bitswapWorks.Load() {
		patience = j.t.timing.silence
	}
	ctx, cancel := context.WithTimeout(j.ctx, patience)
	defer cancel()
	c, _, _ := j.plan.layout.Leaf(leaf)
	b, err := j.t.cfg.Bitswap(ctx, c)
	if err == nil {
		j.received(len(b))
		err = j.put(leaf, b)
	}
	if err != nil {
		j.bitswapFailed.Store(true)
		j.log.WithError(err).Debug("bitswap has no leaf either")
		return err
	}
	j.bitswapWorks.Store(true)
	return nil
}
