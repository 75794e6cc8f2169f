package transfer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ipfs/go-cid"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/bitset"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/fetch"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/signal"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/story"
)

// Mend makes a blob whole that was set aside or has lost its file. It keeps the undamaged leaves
// that are here, and fetches the others from members. bad is how many leaves were damaged or lost.
// The error is *Unavailable when no member gave them.
func (t *Transfers) Mend(ctx context.Context, ref dag.Ref) (bad int, err error) {
	p, err := t.cfg.Blobs.Salvage(ctx, ref)
	if errors.Is(err, blob.ErrNotFound) {
		return dag.LeavesOf(ref.Size), t.FetchFrom(ctx, ref, "", story.Mend)
	}
	if err != nil {
		return 0, fmt.Errorf("mend: %w", err)
	}
	// Keep p open until the end, so that a transfer takes up what was hashed.
	bad = bitset.Set(p.Absent()).Count()
	if bad > 0 {
		err = t.FetchFrom(ctx, ref, "", story.Mend)
	}
	return bad, errors.Join(err, p.Close())
}

// awaitMending waits for all of a damaged blob, unless a member has it whole or it cannot be kept.
// While it is possible that no member has the rest, no byte is sent to a client, so that an error
// can still become a status.
func (t *Transfers) awaitMending(ctx context.Context, ref dag.Ref) error {
	holders, err := t.Holders(ctx, ref)
	if _, unheard := errors.AsType[*Unavailable](err); !unheard && (err != nil || len(holders) > 0) {
		return err
	}
	if err = t.Fetch(ctx, ref); mayStream(err) {
		return nil // it is streamed if a member has it after all
	}
	return err
}

// mender mends blobs that were set aside, one at a time. It tries each blob at once. When no member
// had the right bytes, it tries again soon, and then less and less often.
type mender struct {
	t     *Transfers
	wake  *signal.Signal // a blob was set aside
	tried *cid.Set       // blobs that were tried, and that this registry cannot mend alone
}

func newMender(t *Transfers) *mender { return &mender{t, signal.New(), cid.NewSet()} }

func (m *mender) run() {
	ctx := m.t.underway.ctx
	soon := m.t.timing.mend / 64 // members may just not be connected yet
	for pause := soon; ctx.Err() == nil; pause = min(2*pause, m.t.timing.mend) {
		wake := m.wake.Wait()
		refs := m.t.cfg.Blobs.Rotten()
		if len(refs) == 0 {
			m.tried = cid.NewSet()
		}
		for _, ref := range refs {
			m.mend(ref)
		}
		select {
		case <-wake:
			pause = soon
		case <-time.After(fetch.Jitter(pause)):
		case <-ctx.Done():
		}
	}
}

// mend tries to mend a blob, which hashes what is here of it. It tries again only when a member has
// leaves that are lacking here.
func (m *mender) mend(ref dag.Ref) {
	ctx := m.t.underway.ctx
	if m.tried.Has(ref.CID) && !m.t.restElsewhere(ctx, ref) {
		return
	}
	bad, err := m.t.Mend(ctx, ref)
	if ctx.Err() != nil {
		return
	}
	log := m.t.cfg.Log.WithField("cid", ref.CID).WithField("bad_leaves", bad).WithField("leaves", dag.LeavesOf(ref.Size))
	if err != nil {
		m.tried.Add(ref.CID)
		log.WithError(err).Debug("a damaged blob is not mended yet")
		return
	}
	m.tried.Remove(ref.CID)
	log.Warn("a damaged blob is mended")
}
