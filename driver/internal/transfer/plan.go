package transfer

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
)

// run is the leaves [from, to) that one worker fetches; nobody else does.
type run struct{ from, to int }

// want is where a reader is.
type want struct {
	leaf    int
	waiting bool // it has read all before
}

// plan says which leaves come next: those a reader waits for, then those it reads
// soon, then all others.
type plan struct {
	// choosing is held while a run is chosen, which may hash leaves of an earlier
	// run for seconds; mu never is held that long, and is taken inside.
	choosing sync.Mutex
	hashing  atomic.Bool

	mu      sync.Mutex
	layout  *blob.Layout  // nil until begin
	partial *blob.Partial // nil until begin
	here    leafSet       // verified, as far as this transfer has looked
	claims  []*run
	wants   []*want
}

func (p *plan) begin(layout *blob.Layout, partial *blob.Partial) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.layout, p.partial, p.here = layout, partial, newLeafSet(layout.Leaves())
}

// blob is what has arrived; nil until the layout is known.
func (p *plan) blob() *blob.Partial {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.partial
}

// has says whether leaf i is here and verified.
func (p *plan) has(i int) bool {
	partial := p.blob()
	if partial == nil || !partial.Have(i) {
		return false
	}
	p.arrived(i)
	return true
}

func (p *plan) arrived(i int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.here.add(i)
}

// verified gives the leaves others may ask for; nil until the layout is known. It
// hashes nothing: a leaf that an earlier run left counts when somebody read it.
func (p *plan) verified() leafSet {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.here)
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
	w.leaf, w.waiting = leaf, waiting
}

// next claims up to most leaves that are missing and nobody's. Nil and whole: all
// are here. Nil and not whole: all that are missing are on their way.
func (p *plan) next(most int) (r *run, whole bool) {
	p.choosing.Lock()
	defer p.choosing.Unlock()
	p.hashing.Store(true)
	defer p.hashing.Store(false)
	from, ok := p.choose()
	if !ok {
		return nil, p.partial.Complete()
	}
	r = &run{from, from + 1}
	for r.to < min(from+most, p.layout.Leaves()) && p.claimOf(r.to) == nil && !p.partial.Have(r.to) {
		r.to++
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.claims = append(p.claims, r)
	return r, false
}

// choose finds the free leaf that is nearest to a reader, or to the start when
// nobody reads; choosing is held.
func (p *plan) choose() (leaf int, ok bool) {
	nearest := 0
	for _, from := range p.places() {
		i, free := p.free(from)
		if !free {
			return 0, false // all that is missing is on its way
		}
		ahead := i - from
		if ahead < 0 {
			ahead += p.layout.Leaves() // behind this reader: last of all
		}
		if !ok || ahead < nearest {
			leaf, nearest, ok = i, ahead, true
		}
	}
	return leaf, ok
}

// places is where readers are.
func (p *plan) places() []int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.wants) == 0 {
		return []int{0}
	}
	var leaves []int
	for _, w := range p.wants {
		leaves = append(leaves, w.leaf)
	}
	return leaves
}

// free is the first leaf at or after from, wrapping round, that is missing and
// nobody's.
func (p *plan) free(from int) (int, bool) {
	p.mu.Lock()
	steps := 2*len(p.claims) + 2 // each claim is met at most twice
	p.mu.Unlock()
	for range steps {
		i, missing := p.partial.Missing(from)
		if !missing {
			return 0, false
		}
		claim := p.claimOf(i)
		if claim == nil {
			return i, true
		}
		if from = claim.to; from >= p.layout.Leaves() {
			from = 0
		}
	}
	return 0, false
}

func (p *plan) claimOf(leaf int) *run {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.claimed(leaf)
}

// claimed is claimOf with mu held; it is a copy, which others do not change.
func (p *plan) claimed(leaf int) *run {
	for _, r := range p.claims {
		if r.from <= leaf && leaf < r.to {
			return &run{r.from, r.to}
		}
	}
	return nil
}

// trim gives back what a run has after leaf to.
func (p *plan) trim(r *run, to int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r.to = to
}

// skip takes the first leaf off a run: it is here.
func (p *plan) skip(r *run) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.here.add(r.from)
	r.from++
}

// release gives back what a run still has.
func (p *plan) release(r *run) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.claims = slices.DeleteFunc(p.claims, func(o *run) bool { return o == r })
}

// urgent gives a leaf that a reader waits for and nobody fetches.
func (p *plan) urgent() (leaf int, ok bool) {
	return p.awaited(func(leaf int) bool { return p.claimed(leaf) == nil })
}

// wanted gives a leaf that a reader waits for, whoever fetches it.
func (p *plan) wanted() (leaf int, ok bool) {
	return p.awaited(func(int) bool { return true })
}

// awaited gives a missing leaf that a reader waits for; which is asked with mu held.
func (p *plan) awaited(which func(leaf int) bool) (int, bool) {
	p.mu.Lock()
	var leaves []int
	for _, w := range p.wants {
		if w.waiting && which(w.leaf) {
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

// lacking is any missing leaf, one that a reader waits for if there is one.
func (p *plan) lacking() (leaf int, ok bool) {
	if leaf, ok := p.wanted(); ok {
		return leaf, true
	}
	p.choosing.Lock()
	defer p.choosing.Unlock()
	p.hashing.Store(true)
	defer p.hashing.Store(false)
	return p.partial.Missing(0)
}

func leafAt(offset int64) int { return int(offset / blob.LeafSize) }

func leavesOf(size int64) int { return max(1, leafAt(size+blob.LeafSize-1)) }
