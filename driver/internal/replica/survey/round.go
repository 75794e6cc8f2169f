package survey

import (
	"context"
	"slices"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer"
)

const (
	batchSize = 20_000                 // blobs; with fewer, questions to many members would be small
	share     = 5                      // one part of the time in so many is spent on working
	leastRest = 100 * time.Millisecond // after each question
	maxAlone  = 100                    // blobs that are on this disk only, which are named
	placedRun = 1000                   // blobs that are placed in one go
)

// round is one look at all blobs of the disk.
type round struct {
	cfg    Config
	pause  func(time.Duration) bool
	silent map[peer.ID]bool // asked in this round without an answer
	result Result
}

// item is a blob of a batch.
type item struct {
	ref     dag.Ref
	keepers int
	kept    int // keepers that are known to keep it
	others  int // other registries that are known to have it whole
}

func (r *round) run(ctx context.Context) error {
	r.silent = map[peer.ID]bool{}
	for last, more := cid.Undef, true; more; {
		batch, err := r.list(ctx, last)
		if err != nil {
			return err
		}
		if more = len(batch) == batchSize; len(batch) > 0 {
			last = batch[len(batch)-1].ref.CID
		}
		if err := r.look(ctx, batch); err != nil {
			return err
		}
		r.count(batch)
	}
	r.result.known.order()
	return nil
}

// list gives the blobs that come after one.
func (r *round) list(ctx context.Context, after cid.Cid) (batch []item, err error) {
	for ref, err := range r.cfg.Blobs(ctx, after) {
		if err != nil {
			return nil, err
		}
		if batch = append(batch, item{ref: ref}); len(batch) == batchSize {
			break
		}
	}
	return batch, ctx.Err()
}

// look asks about a batch: first the keepers, each about its own, and then all others about what
// no keeper has.
func (r *round) look(ctx context.Context, batch []item) error {
	members := inTurn(r.cfg.Self, r.cfg.Members())
	here := map[peer.ID]bool{}
	for _, id := range members {
		here[id] = true
	}
	of := map[peer.ID][]int{}
	began := time.Now()
	var buf [8]peer.ID
	for i := range batch {
		b := &batch[i]
		for _, id := range r.cfg.Keepers(buf[:0], b.ref.CID) {
			b.keepers++
			switch {
			case id == r.cfg.Self && r.cfg.Kept(b.ref.CID):
				b.kept++
			case here[id]:
				of[id] = append(of[id], i)
			}
		}
		if i%placedRun == placedRun-1 {
			if !r.pause((share - 1) * time.Since(began)) {
				return ctx.Err()
			}
			began = time.Now()
		}
	}
	asked := map[peer.ID][]int{}
	for _, id := range members {
		asked[id] = of[id]
		if err := r.ask(ctx, batch, id, of[id]); err != nil {
			return err
		}
	}
	return r.askOthers(ctx, batch, members, asked)
}

// inTurn gives the members in an order that begins elsewhere on each registry, so that not all ask
// the same one at once when one has gone.
func inTurn(self peer.ID, members []peer.ID) []peer.ID {
	members = slices.Sorted(slices.Values(members))
	next, _ := slices.BinarySearch(members, self)
	return slices.Concat(members[next:], members[:next])
}

// askOthers asks each member about what no other registry is known to have, and what it was not
// asked about before.
func (r *round) askOthers(ctx context.Context, batch []item, members []peer.ID, asked map[peer.ID][]int) error {
	for _, id := range members {
		before := asked[id]
		var alone []int
		for i := range batch {
			if _, known := slices.BinarySearch(before, i); batch[i].others == 0 && !known {
				alone = append(alone, i)
			}
		}
		if err := r.ask(ctx, batch, id, alone); err != nil {
			return err
		}
	}
	return nil
}

// ask asks one member about some blobs of a batch, unless it did not answer before.
func (r *round) ask(ctx context.Context, batch []item, id peer.ID, some []int) error {
	for part := range slices.Chunk(some, transfer.MaxCopies) {
		if r.silent[id] {
			return nil
		}
		blobs := make([]cid.Cid, len(part))
		for i, at := range part {
			blobs[i] = batch[at].ref.CID
		}
		began := time.Now()
		copies, err := r.cfg.Ask(ctx, id, blobs)
		if err != nil {
			r.silent[id] = true
		}
		for i, c := range copies {
			b := &batch[part[i]]
			if c.Whole {
				b.others++
			}
			if c.Kept {
				b.kept++
			}
		}
		if !r.pause(max(leastRest, (share-1)*time.Since(began))) {
			return ctx.Err()
		}
	}
	return ctx.Err()
}

// count adds up a batch.
func (r *round) count(batch []item) {
	for _, b := range batch {
		r.result.known.add(b.ref.CID, 1+b.others)
		if b.others == 0 {
			r.result.OnlyHere.add(b.ref.Size)
			if len(r.result.Alone) < maxAlone {
				r.result.Alone = append(r.result.Alone, b.ref)
			}
		}
		if b.kept < b.keepers {
			r.result.Few.add(b.ref.Size)
		}
	}
}
