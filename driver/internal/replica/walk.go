package replica

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/replica/place"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer"
)

const (
	page = 1000 // paths looked at in one go
	// Looking through the map takes at most one part of the time in so many.
	share = 5
	// gather is for how long what is lacking is gathered, before the members are asked about it.
	gather = 2 * time.Second

	manyCopies = 4              // and more are as good as so many
	noCopies   = manyCopies + 1 // what nobody has comes last: there is nothing to copy it from
)

// walk has all blobs fetched that are to be kept here and are not, those with the fewest copies
// first, unless there is a hold. It looks through the map once for each number of copies that
// there is, and asks the members anew each time: so it needs memory for a page only.
func (k *Keeper) walk(ctx context.Context, try func(path string) bool) (done bool) {
	k.short.keep(func(path string) bool { // of what failed, not all is remembered, and tried again
		e, err := k.paths.View().Get(path)
		return err == nil && k.lacks(e)
	})
	asking := asking{k: k, silent: map[peer.ID]bool{}}
	p := pass{
		view: k.paths.View, lacks: k.lacks, count: asking.count, try: try,
		held: func() bool { return k.verdict.Load().Hold != place.NoHold },
	}
	return p.all(ctx)
}

// pass is one look through the map for blobs with so many copies, or fewer.
type pass struct {
	view  func() pathmap.View
	lacks func(pathmap.Entry) bool
	held  func() bool
	count func(context.Context, []missing) // fills in how many copies there are
	try   func(path string) bool

	rank int // of what is fetched
	next int // the least one beyond that was met; 0: none
}

// all makes as many passes as are needed; false when it was interrupted.
func (p *pass) all(ctx context.Context) bool {
	for p.rank = 1; p.rank > 0; p.rank, p.next = p.next, 0 {
		if !p.run(ctx) {
			return false
		}
	}
	return true
}

// missing is a path whose blob is to be kept here and is not.
type missing struct {
	path string
	place.Lack
}

// run does it; false when it was interrupted.
func (p *pass) run(ctx context.Context) bool {
	var found []missing
	since := time.Now()
	for last, more := "", true; more; {
		if p.held() {
			return false
		}
		began := time.Now()
		var some []missing
		some, last, more = lacking(p.view(), last, page, p.lacks)
		busy := time.Since(began)
		found = append(found, some...)
		if !more || len(found) >= transfer.MaxCopies || time.Since(since) > gather {
			if !p.fetch(ctx, found) {
				return false
			}
			found, since = found[:0], time.Now()
		}
		select {
		case <-time.After((share - 1) * busy):
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// fetch has those blobs fetched whose turn it is; false when it was interrupted.
func (p *pass) fetch(ctx context.Context, found []missing) bool {
	for some := range slices.Chunk(found, transfer.MaxCopies) {
		p.count(ctx, some)
		slices.SortFunc(some, func(a, b missing) int {
			return cmp.Or(place.Urgency(a.Lack, b.Lack), cmp.Compare(a.path, b.path))
		})
		for _, m := range some {
			switch n := rankOf(m.Copies); {
			case n > p.rank:
				if p.next == 0 || n < p.next {
					p.next = n
				}
			case !p.try(m.path):
				return false
			}
		}
	}
	return ctx.Err() == nil
}

// rankOf is in which pass a blob is fetched.
func rankOf(copies int) int {
	if copies == 0 {
		return noCopies
	}
	return min(copies, manyCopies)
}

// lacking gives those of the n paths after a path ("": of all) the blobs of which are lacking, the
// last path that was looked at, and whether there may be more.
func lacking(view pathmap.View, after string, n int, lacks func(pathmap.Entry) bool) (found []missing, last string, more bool) {
	last = after
	for range n {
		path, ok := view.Next(last, true)
		if !ok {
			return found, last, false
		}
		if e, err := view.Get(path); err == nil && lacks(e) {
			found = append(found, missing{path, place.Lack{Blob: e.CID, Size: e.Size}})
		}
		last = path
	}
	return found, last, true
}
