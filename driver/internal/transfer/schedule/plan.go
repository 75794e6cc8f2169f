package schedule

import (
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/bitset"
)

// Reader is the place where a reader is.
type Reader struct {
	leaf  int
	since time.Time // when it had read all before; zero while it has not
}

// NewReader is a reader that begins at a leaf.
func NewReader(leaf int) *Reader { return &Reader{leaf: leaf} }

// Plan is what is on its way of a blob, and what its readers wait for. It is for one
// goroutine at a time.
type Plan struct {
	timing  Timing
	leaves  int
	order   *Order
	unseen  bitset.Set // not looked for yet in the other blobs that are here
	runs    []*Run
	readers []*Reader
	unowned time.Time // since when no leaf was left for which we are first in line
}

// NewPlan is the plan for a blob whose leaves are in that order. No leaf is fetched before
// it was Seen.
func NewPlan(leaves int, order *Order, t Timing) *Plan {
	return &Plan{timing: t, leaves: leaves, order: order, unseen: bitset.Full(leaves)}
}

// Seen marks leaves as free to be fetched, because no other blob here has them.
func (p *Plan) Seen(leaves ...int) {
	for _, i := range leaves {
		p.unseen.Drop(i)
	}
}

// Enter adds a reader.
func (p *Plan) Enter(r *Reader) { p.readers = append(p.readers, r) }

// Leave removes a reader.
func (p *Plan) Leave(r *Reader) {
	p.readers = slices.DeleteFunc(p.readers, func(o *Reader) bool { return o == r })
}

// Move notes where a reader is, and since when it waits there; the zero time: it does not.
func (p *Plan) Move(r *Reader, leaf int, since time.Time) { r.leaf, r.since = leaf, since }

// Awaited returns the leaves that readers wait for, also those on their way.
func (p *Plan) Awaited() (leaves []int) {
	for _, r := range p.readers {
		if !r.since.IsZero() {
			leaves = append(leaves, r.leaf)
		}
	}
	return leaves
}

// Claim reserves the leaves of a run for it.
func (p *Plan) Claim(r *Run) { p.runs = append(p.runs, r) }

// Release gives back what a run still has.
func (p *Plan) Release(r *Run) {
	p.runs = slices.DeleteFunc(p.runs, func(o *Run) bool { return o == r })
	for _, o := range p.runs {
		if r.twice && o.From == r.From {
			o.twice = false
		}
	}
}

// Hand moves what is left of a run to another holder, which may be silent for as long as
// patience.
func (p *Plan) Hand(now time.Time, r *Run, id peer.ID, patience time.Duration) *Run {
	n := &Run{First: r.From, From: r.From, To: r.To, Holder: id, Began: now, Last: now, twice: r.twice, Patience: patience}
	if i := slices.Index(p.runs, r); i >= 0 {
		p.runs[i] = n
	}
	return n
}

// Shorten takes all but the next leaf off a run; false when no leaf is left in it.
func (p *Plan) Shorten(r *Run) bool {
	r.To = min(r.To, r.From+1)
	return r.From < r.To
}

// Asks reports whether a member is asked for a leaf.
func (p *Plan) Asks(id peer.ID, leaf int) bool {
	return slices.ContainsFunc(p.runs, func(r *Run) bool { return r.Holder == id && r.From <= leaf && leaf < r.To })
}

// Skip takes the first leaf off a run, because it is here, and returns the other runs that
// fetch that leaf, and can stop.
func (p *Plan) Skip(r *Run) (needless []*Run) {
	leaf := r.From
	r.From++
	r.twice = false
	for _, o := range p.runs {
		if o != r && o.twice && o.From == leaf {
			needless = append(needless, o)
		}
	}
	return needless
}

// Runs returns what is on its way.
func (p *Plan) Runs() []*Run { return p.runs }
