package transfer

import (
	"context"
	"errors"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/sync/errgroup"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/room"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/spans"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/story"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/wire"
)

// Keep asks a member to have a blob and to have merged the deltas that name it, and waits until both
// are on the member's disk. Without deltas it ends with ctx, or when the member gives up, and the
// member holds the bytes meanwhile: they are being named. With the token of an upload that the
// member took (Take), that becomes the blob. taken is called when the member has said that it is at
// work. ctx must have a deadline.
func (t *Transfers) Keep(ctx context.Context, id peer.ID, ref dag.Ref, token string, heads []cid.Cid, taken func()) error {
	if t.client == nil {
		return errOffline
	}
	ctx, span := spans.Start(ctx, "ipfs keep", trace.SpanKindClient)
	defer span.End()
	if span.IsRecording() {
		span.SetAttributes(spans.CID.String(ref.CID.String()), spans.Peer.String(id.String()))
	}
	deadline, _ := ctx.Deadline()
	err := t.client.Keep(ctx, id, &wire.KeepRequest{Ref: ref, Token: token, Heads: heads, Wait: time.Until(deadline)}, taken)
	if of, ok := errors.AsType[*wire.MemberError](err); ok {
		err = of.Err // the caller knows whom it has asked
	}
	if ctx.Err() == nil { // else the answer was no longer waited for
		spans.Fail(span, err)
	}
	return err
}

// serveKeep answers a member that asks for a copy here.
func (t *Transfers) serveKeep(ctx context.Context, q *wire.KeepRequest, taken func()) error {
	if t.cfg.Merged == nil || !t.cfg.Swarm.Trusts(q.Peer) {
		return wire.ErrStranger
	}
	if t.leaving() {
		return wire.ErrLeaving
	}
	taken()
	if _, inline := dag.InlineBytes(q.CID); !inline {
		unpin := t.cfg.Blobs.Pin(q.CID) // until an entry names it, or nobody asks any more
		defer unpin()
		t.asked(q.CID)
	}
	g, within := errgroup.WithContext(ctx)
	g.Go(func() error {
		t.settle(within, q)
		return t.FetchFrom(within, q.Ref, q.Peer, story.Push)
	})
	g.Go(func() error {
		if len(q.Heads) == 0 {
			<-within.Done()
			return wire.ErrLate
		}
		return t.cfg.Merged(within, q.Peer, q.Heads)
	})
	if err := g.Wait(); err != nil {
		return t.whyNotKept(q, err)
	}
	// Only now: what is merged before the draining begins is handed on.
	if t.leaving() {
		return wire.ErrLeaving
	}
	return nil
}

func (t *Transfers) leaving() bool { return t.cfg.Leaving != nil && t.cfg.Leaving() }

// whyNotKept makes one of the errors of wire.
func (t *Transfers) whyNotKept(q *wire.KeepRequest, err error) error {
	t.cfg.Log.WithError(err).WithField("cid", q.CID).WithField("peer", q.Peer).Debug("a push is not acknowledged from here")
	switch {
	case room.Is(err), errors.Is(err, ErrNotKept):
		return wire.ErrNoRoom
	case errors.Is(err, wire.ErrLate), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return wire.ErrLate
	}
	return wire.ErrCannotGet
}

// Declined reports whether a member will answer Keep in the same way when it is asked again soon, or
// this registry will have as little room when it fetches the blob again.
func Declined(err error) bool {
	return room.Is(err) || errors.Is(err, ErrNotKept) || errors.Is(err, wire.ErrNoRoom) || errors.Is(err, wire.ErrStranger) ||
		errors.Is(err, wire.ErrLeaving) || errors.Is(err, wire.ErrUnknown)
}
