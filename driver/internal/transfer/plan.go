package transfer

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/bitset"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/wire"
)

// run is the leaves [from, to) that one worker fetches from one holder. The fields that
// change are guarded by the plan's lock.
type run struct {
	first    int // where it began
	from, to int
	id       peer.ID
	began    time.Time
	got      atomic.Int64 // bytes received
	last     atomic.Int64 // when, in nanoseconds since began
	cut      context.CancelCauseFunc
	patience time.Duration // no byte is expected for that long
	terms    wire.Terms
	twice    bool // its next leaf is fetched by two
}

// want is the place where a reader is.
type want struct {
	leaf  int
	since time.Time // when it had read all before; zero while it has not
}

// plan is what has arrived of a blob, what is on its way, and what its readers wait
// for.
type plan struct {
	// choosing is held while a run is chosen, which may hash leaves of an earlier run for
	// seconds. mu is never held that long, and is locked inside choosing.
	choosing sync.Mutex
	hashing  atomic.Bool

	mu      sync.Mutex
	layout  *dag.Layout   // nil until begin
	partial *blob.Partial // nil until begin
	unseen  bitset.Set    // not looked for yet in the other blobs that are here
	claims  []*run
	wants   []*want
}

func (p *plan) begin(layout *dag.Layout, partial *blob.Partial) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.layout, p.partial = layout, partial
	p.unseen = bitset.Full(layout.Leaves())
}

// blob is what has arrived; nil until the layout is known.
func (p *plan) blob() *blob.Partial {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.partial
}

// has reports whether leaf i is here and verified.
func (p *plan) has(i int) bool {
	partial := p.blob()
	return partial != nil && partial.Have(i)
}

// verified returns the leaves that others may ask for; nil until the layout is known. It
// hashes nothing: a leaf that an earlier run left counts only once it was hashed.
func (p *plan) verified() bitset.Set {
	partial := p.blob()
	if partial == nil {
		return nil
	}
	return partial.Verified()
}

// absent returns the leaves that have to be fetched; nil until the layout is known.
func (p *plan) absent() bitset.Set {
	partial := p.blob()
	if partial == nil {
		return nil
	}
	return partial.Absent()
}

// seen marks leaves as free to be fetched, because no other blob here has them.
func (p *plan) seen(leaves ...int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, i := range leaves {
		p.unseen.Drop(i)
	}
}

func (p *plan) enter(w *want) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wants = append(p.wants, w)
}

func (p *plan) leave(w *want) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wants = slices.DeleteFunc(p.wants, func(o *want) bool { return o == w })
}

func (p *plan) move(w *want, leaf int, waiting bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w.leaf, w.since = leaf, time.Time{}
	if waiting {
		w.since = time.Now()
	}
}

// claim reserves the leaves of a run for it.
func (p *plan) claim(r *run) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.claims = append(p.claims, r)
}

// release gives back what a run still has.
func (p *plan) release(r *run) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, o := range p.claims {
		if r.twice && o.from == r.from {
			o.twice = false
		}
	}
	p.claims = slices.DeleteFunc(p.claims, func(o *run) bool { return o == r })
}

// hand moves the claim of a run to another holder, which may be silent for as long as
// patience.
func (p *plan) hand(r *run, id peer.ID, patience time.Duration) *run {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := &run{first: r.first, from: r.from, to: r.to, id: id, began: time.Now(), twice: r.twice, patience: patience}
	if i := slices.Index(p.claims, r); i >= 0 {
		p.claims[i] = n
	}
	return n
}

// shorten takes all but the next leaf off a run; false when no leaf is left in it.
func (p *plan) shorten(r *run) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	r.to = min(r.to, r.from+1)
	return r.from < r.to
}

// asks reports whether a member is asked for a leaf.
func (p *plan) asks(id peer.ID, leaf int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.ContainsFunc(p.claims, func(r *run) bool { return r.id == id && r.from <= leaf && leaf < r.to })
}

// head is the next leaf of a run; false at its end.
func (p *plan) head(r *run) (leaf int, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return r.from, r.from < r.to
}

// span is what is left of a run.
func (p *plan) span(r *run) (from, to int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return r.from, r.to
}

// started notes how a run can be cut short.
func (p *plan) started(r *run, cut context.CancelCauseFunc) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r.cut = cut
}

// skip takes the first leaf off a run, because it is here. Other workers that fetch it can
// stop.
func (p *plan) skip(r *run) {
	p.mu.Lock()
	defer p.mu.Unlock()
	leaf := r.from
	r.from++
	r.twice = false
	for _, o := range p.claims {
		if o != r && o.twice && o.from == leaf && o.cut != nil {
			o.cut(errOvertaken)
		}
	}
}

// pass takes the first leaf off a run, because it was handed to the reader of a stream.
func (p *plan) pass(r *run) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r.from++
}

// wanted returns a missing leaf that a reader waits for, even one that is being fetched.
func (p *plan) wanted() (leaf int, ok bool) {
	p.mu.Lock()
	var leaves []int
	for _, w := range p.wants {
		if !w.since.IsZero() {
			leaves = append(leaves, w.leaf)
		}
	}
	p.mu.Unlock()
	for _, i := range leaves {
		if !p.has(i) {
			return i, true
		}
	}
	return 0, false
}

// lacking returns any missing leaf, if possible one that a reader waits for.
func (j *job) lacking() (leaf int, ok bool) {
	if leaf, ok := j.plan.wanted(); ok {
		return leaf, true
	}
	j.plan.choosing.Lock()
	defer j.plan.choosing.Unlock()
	return j.missing()
}

// missing returns any missing leaf. When none is known to be missing, leaves of an earlier
// run are hashed; that counts as progress when something has to be fetched after all.
// choosing is held.
func (j *job) missing() (leaf int, ok bool) {
	p := j.plan
	p.hashing.Store(true)
	defer p.hashing.Store(false)
	hashes := bitset.Set(p.partial.Absent()).Count() == 0
	if leaf, ok = p.partial.Missing(j.ctx, 0); ok && hashes {
		j.progress()
	}
	return leaf, ok
}

func leafAt(offset int64) int { return int(offset / dag.LeafSize) }

func leavesOf(size int64) int { return max(1, leafAt(size+dag.LeafSize-1)) }
