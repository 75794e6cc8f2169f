package replica

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/sync/errgroup"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/replica/place"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer"
)

// ErrNotDraining reports that nothing is handed on, because this registry stays.
var ErrNotDraining = errors.New("this registry is not being drained")

// Handover is how far others have what a registry has that is being drained.
type Handover struct {
	Here     Amount    // blobs that are here and have an entry
	Left     Amount    // of these, those that too few others keep yet
	OnlyHere Amount    // of these, those that none of the registries has which are to keep them
	Keepers  int       // registries that keep blobs in its place
	Silent   []peer.ID // those that are to keep some of what is Left, and have not answered; sorted
	Lacking  []peer.ID // likewise, and answer that they do not keep it yet

	rest   []missing // what is Left
	looked bool      // the map has been looked through
	again  bool      // it is to be looked through again, when nothing is in rest
}

// restMost is how many blobs are remembered that a look has left. When it leaves more, the map is
// looked through again.
const restMost = 10_000

// Resumable reports whether Resume goes on where a look has ended. Else the next one is another
// Handover.
func (h Handover) Resumable() bool { return h.looked && (len(h.rest) > 0 || !h.again) }

// Amount is a number of blobs, and their bytes.
type Amount struct {
	Blobs int
	Bytes int64
}

func (a *Amount) add(size int64) { a.Blobs++; a.Bytes += size }

// Handover asks the keepers of all blobs that are here. Where nothing is Left, each blob was
// kept by as many others as keep it now at some moment since the call, by the rule of giving a
// copy up: so these stay, as long as this registry is being drained. progress is called with
// how many paths have been looked at. Memory does not grow with the map.
func (k *Keeper) Handover(ctx context.Context, view pathmap.View, progress func(paths int)) (h Handover, err error) {
	if err := k.hands(); err != nil {
		return h, err
	}
	h.Keepers = k.others()
	var found []missing
	paths := 0
	for last, more := "", true; more; {
		var some []missing
		some, last, more = lacking(view, last, page, k.has)
		found = append(found, some...)
		if !more || len(found) >= transfer.MaxCopies {
			if err := k.handOver(ctx, found, &h); err != nil {
				return h, err
			}
			found = found[:0]
		}
		paths += page
		progress(min(paths, view.Len()))
		if !k.draining() {
			return h, ErrNotDraining
		}
	}
	h.looked = true
	return h, ctx.Err()
}

// Resume asks again about what a look has left, and about nothing else, so that the look comes to
// its end while clients push to other registries: it is then as one that took longer. What gets its
// entry meanwhile is not this registry's to hand on: another one had it, which counts on nobody
// that is being drained. view is the present one.
func (k *Keeper) Resume(ctx context.Context, view pathmap.View, last Handover) (h Handover, err error) {
	if err := k.hands(); err != nil {
		return last, err
	}
	h = Handover{looked: true, again: last.again, Keepers: k.others()}
	var still []missing
	for _, m := range last.rest {
		e, err := view.Get(m.path)
		switch {
		case !k.blobs.Has(m.Blob): // it was given up
		case err != nil || !e.CID.Equals(m.Blob) || !k.has(e): // another path may name it
			h.again = true
		default:
			still = append(still, m)
		}
	}
	for some := range slices.Chunk(still, transfer.MaxCopies) {
		if err := k.handOver(ctx, some, &h); err != nil {
			return last, err
		}
	}
	h.Here = last.Here
	return h, ctx.Err()
}

// hands reports why nothing can be handed on, and sees to it that this registry is no keeper in its
// own view.
func (k *Keeper) hands() error {
	switch {
	case !k.started.Load() || k.cfg.Copies > 0 && k.cfg.Members != nil && !k.settled.Load():
		return ErrNotStarted
	case !k.draining():
		return ErrNotDraining
	}
	k.judge()
	return nil
}

// others counts the registries that keep blobs.
func (k *Keeper) others() (n int) {
	if k.cfg.Members == nil {
		return 0
	}
	_, others := k.cfg.Members()
	for _, m := range others {
		if m.Capacity > 0 && !m.Draining {
			n++
		}
	}
	return n
}

// has reports whether the whole blob of an entry is on this disk. Nobody keeps one of a size that no
// blob has: a drain that waited for that would never end.
func (k *Keeper) has(e pathmap.Entry) bool {
	return (dag.Ref{CID: e.CID, Size: e.Size}).Check() == nil && k.blobs.Has(e.CID)
}

// handOver asks about some blobs.
func (k *Keeper) handOver(ctx context.Context, some []missing, h *Handover) error {
	asked := map[peer.ID][]cid.Cid{}
	need := make([]place.Surplus, len(some))
	for i, m := range some {
		of, err := k.surplus(m.Blob)
		if err != nil && !errors.Is(err, ErrFewCopies) {
			return fmt.Errorf("hand over %s: %w", m.Blob, err)
		}
		need[i] = of
		for _, id := range of.Ask {
			asked[id] = append(asked[id], m.Blob)
		}
	}
	all := k.askAll(ctx, asked)
	for i, m := range some {
		h.Here.add(m.Size)
		kept, whole := 0, 0
		var silent, lacking []peer.ID
		for _, id := range need[i].Ask {
			c := all[id][m.Blob]
			switch {
			case all[id] == nil:
				silent = append(silent, id)
			case c.Kept:
				kept++
			default:
				lacking = append(lacking, id)
			}
			if c.Whole {
				whole++
			}
		}
		if kept < max(1, need[i].Need) {
			h.leave(m, whole == 0)
			h.Silent, h.Lacking = with(h.Silent, silent), with(h.Lacking, lacking)
		}
	}
	return ctx.Err()
}

// leave notes a blob that too few others keep yet.
func (h *Handover) leave(m missing, only bool) {
	h.Left.add(m.Size)
	if only {
		h.OnlyHere.add(m.Size)
	}
	if len(h.rest) < restMost && h.Left.Blobs == len(h.rest)+1 {
		h.rest = append(h.rest, m)
	} else { // not all can be remembered
		h.rest, h.again = nil, true
	}
}

// with gives sorted members, and some more of them.
func with(members, more []peer.ID) []peer.ID {
	return slices.Compact(slices.Sorted(slices.Values(append(members, more...))))
}

// askAll asks each member about its blobs. Who does not answer has nothing.
func (k *Keeper) askAll(ctx context.Context, of map[peer.ID][]cid.Cid) map[peer.ID]map[cid.Cid]Copy {
	var mu sync.Mutex
	all := map[peer.ID]map[cid.Cid]Copy{}
	var g errgroup.Group
	g.SetLimit(askedAtOnce)
	for id, cids := range of {
		g.Go(func() error {
			copies, err := k.ask(ctx, id, cids, true)
			if err != nil {
				return nil
			}
			mu.Lock()
			defer mu.Unlock()
			all[id] = map[cid.Cid]Copy{}
			for i, c := range cids {
				all[id][c] = copies[i]
			}
			return nil
		})
	}
	_ = g.Wait() // nothing in it fails
	return all
}
