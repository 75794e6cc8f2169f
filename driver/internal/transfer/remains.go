package transfer

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/bitset"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
)

// Values of partialHeader.
const (
	arriving = "true"    // the blob is being fetched: more leaves will be here
	damaged  = "damaged" // it was set aside: only what is right of it is here
)

// remainsParam means that the asking registry knows that the copy is damaged. It may get
// leaves of it and then find nobody who has the rest, so that it must not have promised the
// blob to a client.
const remainsParam = "remains"

// part is what a member has of a blob that it does not hold whole.
type part struct {
	leaves  bitset.Set
	damaged bool // no more of it will come by itself
}

// serveRemains answers for a blob that was set aside with the leaves that are right.
func (t *Transfers) serveRemains(w http.ResponseWriter, r *http.Request, c cid.Cid) error {
	m, ok := t.cfg.Blobs.Remains(c)
	if !ok {
		return blob.ErrNotFound
	}
	from, to, ok := rangeOf(r)
	if !ok {
		w.Header().Set(partialHeader, damaged)
		return blob.ErrNotFound
	}
	if !r.URL.Query().Has(remainsParam) {
		return blob.ErrNotFound
	}
	for leaf := leafAt(from); leaf <= leafAt(to); leaf++ {
		if !m.Has(leaf) {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes */%d", m.Size))
			http.Error(w, "not right here", http.StatusRequestedRangeNotSatisfiable)
			return nil
		}
	}
	f, err := t.cfg.Blobs.OpenRemains(c)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	http.ServeContent(w, r, "", time.Time{}, io.NewSectionReader(f, 0, m.Size))
	return nil
}

// span gets bytes of the blob from a member, also from a copy that is known to be damaged.
func (j *job) span(ctx context.Context, id peer.ID, from, to int64, how terms) (io.ReadCloser, error) {
	if j.roster.damaged(id) {
		how = how.and(remainsParam)
	}
	return j.t.client.span(ctx, id, j.ref.CID, from, to, how)
}

func (t terms) and(param string) terms {
	if t == anyway {
		return terms("?" + param)
	}
	return t + terms("&"+param)
}

// restElsewhere reports whether a member holds a damaged blob whole, or has a leaf of it
// that is lacking here.
func (t *Transfers) restElsewhere(ctx context.Context, ref dag.Ref) bool {
	if holders, err := t.Holders(ctx, ref); err != nil || len(holders) > 0 {
		return err == nil
	}
	if t.cfg.Swarm == nil || leavesOf(ref.Size) == 1 {
		return false
	}
	q := t.questions.ask(ref, 0, true)
	if q == nil {
		return false
	}
	select {
	case <-q.done:
	case <-ctx.Done():
		return false
	}
	lacking := t.lacking(ref)
	_, some, _ := q.answers()
	for id, p := range some {
		if p.leaves.Meets(lacking) && !t.grudges.holds(id, ref.CID) {
			return true
		}
	}
	return false
}

// lacking are the leaves of a damaged blob that are not known to be right here.
func (t *Transfers) lacking(ref dag.Ref) bitset.Set {
	lacking := bitset.Full(leavesOf(ref.Size))
	if m, ok := t.cfg.Blobs.Remains(ref.CID); ok {
		for i := range min(len(lacking), len(m.Right)) {
			lacking[i] &^= m.Right[i]
		}
	}
	return lacking
}
