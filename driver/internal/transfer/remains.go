package transfer

import (
	"context"
	"errors"
	"io"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/bitset"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/wire"
)

// serveRemains answers a request for a blob that was set aside, with its undamaged leaves.
func (t *Transfers) serveRemains(q *wire.BlobRequest) (io.ReadSeekCloser, error) {
	m, ok := t.cfg.Blobs.Remains(q.CID)
	switch {
	case !ok:
		return nil, wire.ErrGone
	case !q.Ranged:
		return nil, &wire.PartialError{Damaged: true}
	case !q.Remains:
		return nil, wire.ErrGone
	}
	for leaf := dag.LeafAt(q.From); leaf <= dag.LeafAt(q.To); leaf++ {
		if !m.Has(leaf) {
			return nil, &wire.LackingError{Size: m.Size, Damaged: true}
		}
	}
	f, err := t.cfg.Blobs.OpenRemains(q.CID)
	if err != nil {
		return nil, gone(err)
	}
	return section{io.NewSectionReader(f, 0, m.Size), f.Close}, nil
}

// restElsewhere reports whether a member holds the whole of a blob that is damaged here, or has a
// leaf of it that is lacking here.
func (t *Transfers) restElsewhere(ctx context.Context, ref dag.Ref) bool {
	holders, err := t.Holders(ctx, ref)
	if _, unheard := errors.AsType[*Unavailable](err); !unheard && (err != nil || len(holders) > 0) {
		return err == nil
	}
	if t.holders == nil || ref.Check() != nil || dag.LeavesOf(ref.Size) == 1 {
		return false
	}
	q := t.holders.Ask(ref, 0, true)
	if q == nil {
		return false
	}
	select {
	case <-q.Done():
	case <-ctx.Done():
		return false
	}
	lacking := t.lacking(ref)
	_, some, _ := q.Answers()
	for id, p := range some {
		if p.Leaves.Meets(lacking) && !t.holders.Blames(id, ref.CID) {
			return true
		}
	}
	return false
}

// lacking returns the leaves of a damaged blob that are not known to be undamaged here.
func (t *Transfers) lacking(ref dag.Ref) bitset.Set {
	lacking := bitset.Full(dag.LeavesOf(ref.Size))
	if m, ok := t.cfg.Blobs.Remains(ref.CID); ok {
		for i := range min(len(lacking), len(m.Right)) {
			lacking[i] &^= m.Right[i]
		}
	}
	return lacking
}
