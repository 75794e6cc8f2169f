package transfer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/time/rate"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/fetch"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/story"
)

// Open reads a blob from offset, in bytes, to its end. A blob that is not here is fetched: Open
// returns when the byte at offset is here and verified, and reads go on while the rest arrives.
// ctx bounds the reads, too. A blob that cannot be kept, for example for want of room, is verified
// and streamed from the members. The error, from Open or from a read, is *Unavailable when no
// member gave the bytes in time: within Config.Stall, or sooner when each said that it has none.
func (t *Transfers) Open(ctx context.Context, ref dag.Ref, offset int64) (io.ReadCloser, error) {
	if offset < 0 {
		return nil, fmt.Errorf("open %s at %d: negative offset", ref.CID, offset)
	}
	content, inline, err := inlined(ref)
	if err == nil && !inline && ref.Size <= 0 {
		_, err = nothing(ctx, ref)
	}
	if err != nil {
		return nil, err
	}
	if inline || offset >= ref.Size {
		return io.NopCloser(bytes.NewReader(content[min(offset, int64(len(content))):])), nil
	}
	f, err := t.openLocal(ctx, ref, offset)
	if f == nil && err == nil && t.cfg.Blobs.IsRotten(ref.CID) {
		if err = t.awaitMending(ctx, ref); err == nil {
			f, err = t.openLocal(ctx, ref, offset)
		}
	}
	if f != nil || err != nil {
		return f, err
	}
	return t.follow(ctx, ref, offset)
}

// AwaitKept waits while a blob of which all leaves have come is being written to this machine's
// disk. It returns at once when no such blob is on its way.
func (t *Transfers) AwaitKept(ctx context.Context, c cid.Cid) {
	j := t.underway.job(c)
	if j == nil || !j.Landed() {
		return
	}
	select {
	case <-j.Done():
	case <-ctx.Done():
	}
}

// purpose is why a transfer is begun, and by whom.
type purpose struct {
	fetch.Purpose
	asker story.Asker
	reads bool // until stories.left
}

// follow reads a blob while it is being fetched.
func (t *Transfers) follow(ctx context.Context, ref dag.Ref, offset int64) (io.ReadCloser, error) {
	j, err := t.joinAfterRoom(ctx, ref, purpose{fetch.Purpose{Leaf: dag.LeafAt(offset)}, story.Client, true})
	if mayStream(err) {
		return t.stream(ctx, ref, offset, err)
	}
	if err != nil {
		return nil, err
	}
	r := t.newReader(ctx, j, offset)
	if err := r.await(); err != nil {
		if err = r.divert(err); err != nil {
			return nil, errors.Join(err, r.Close())
		}
	}
	return r, nil
}

// whole reports whether the blob is here with all its bytes. A file that has lost some of them is
// fetched again.
func (t *Transfers) whole(ref dag.Ref) bool {
	size, err := t.cfg.Blobs.Size(ref.CID)
	return err == nil && size == ref.Size
}

// inlined returns the content of a blob that is inside its CID. The error is dag.ErrBadDAG when no
// blob can have the size in ref, which comes from an entry that may say anything.
func inlined(ref dag.Ref) (content []byte, inline bool, err error) {
	content, inline = dag.InlineBytes(ref.CID)
	switch {
	case inline && int64(len(content)) != ref.Size:
		err = fmt.Errorf("%s has %d bytes, not %d: %w", ref.CID, len(content), ref.Size, dag.ErrBadDAG)
	case ref.Size > 0: // whether less is the empty blob its CID tells
		if err = ref.Check(); err != nil {
			err = fmt.Errorf("fetch: %w", err)
		}
	}
	return content, inline, err
}

// nothing returns the layout of the empty blob. The error is dag.ErrBadDAG when ref is another
// blob, for which an entry wrongly gives the size 0.
func nothing(ctx context.Context, ref dag.Ref) (*dag.Layout, error) {
	layout, _, err := dag.ReadLayout(ctx, ref.CID, ref.Size, nil)
	if err != nil {
		return nil, fmt.Errorf("fetch %s: %w", ref.CID, err)
	}
	return layout, nil
}

// keepNothing makes the empty blob, for which no member need be asked.
func (t *Transfers) keepNothing(ctx context.Context, ref dag.Ref) error {
	layout, err := nothing(ctx, ref)
	if err != nil {
		return err
	}
	p, err := t.cfg.Blobs.Partial(layout, nil)
	if err != nil {
		return err
	}
	return errors.Join(p.Finish(ctx), p.Close())
}

// Fetch brings the whole blob here, and waits for it. Errors are those of Open, and ErrNotKept when
// the blob cannot be kept, with a *room.Short when there is no room for it. When ctx ends, the
// transfer goes on as if a reader had left.
func (t *Transfers) Fetch(ctx context.Context, ref dag.Ref) error {
	return t.fetch(ctx, ref, purpose{fetch.Purpose{Leaf: -1}, story.Client, false})
}

// FetchFrom is Fetch for a blob that no client waits for yet. The member likely, which probably
// holds the blob, is asked before all others; it may be empty. A failure is no warning in the log.
// The asker is who has it fetched, for its story.
func (t *Transfers) FetchFrom(ctx context.Context, ref dag.Ref, likely peer.ID, asker story.Asker) error {
	return t.fetch(ctx, ref, purpose{fetch.Purpose{Leaf: -1, Likely: likely, Background: true}, asker, false})
}

// FetchPaced is FetchFrom for a copy that this registry is to keep, at no more bytes a second than pace allows, whose burst is at least
// dag.LeafSize. Nil: as fast as it can. Where a client comes to read the blob, it comes as fast as
// it can from then on.
func (t *Transfers) FetchPaced(ctx context.Context, ref dag.Ref, likely peer.ID, pace *rate.Limiter) error {
	return t.fetch(ctx, ref, purpose{fetch.Purpose{Leaf: -1, Likely: likely, Background: true, Pace: pace}, story.Keeper, false})
}

func (t *Transfers) fetch(ctx context.Context, ref dag.Ref, why purpose) error {
	if _, inline, err := inlined(ref); inline || err != nil {
		return err
	}
	if t.whole(ref) {
		return nil
	}
	if ref.Size <= 0 {
		return t.keepNothing(ctx, ref)
	}
	j, err := t.joinAfterRoom(ctx, ref, why)
	if err != nil {
		return err
	}
	defer j.Leave()
	select {
	case <-j.Done():
		return j.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}
