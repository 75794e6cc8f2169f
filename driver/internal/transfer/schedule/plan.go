package schedule

import (
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/bitset"
)

// Reader is the place of a reader in a blob.
type Reader struct {
	leaf  int
	since time.Time // when it began to wait for leaf; zero: it does not wait
}

// NewReader makes a reader that begins at a leaf.
func NewReader(leaf int) *Reader { return &Reader{leaf: leaf} }

// Plan knows which leaves of a blob are on their way, and which ones its readers wait for. It is
// for one goroutine at a time.
type Plan struct {
	timing  Timing
	leaves  int
	order   *Order
	unseen  bitset.Set // leaves that may still turn up in another blob that is here
	runs    []*Run
	readers []*Reader
	unowned time.Time // since when no leaf has been left for which we are first in line
	unfed   time.Time // since when other registries are to feed this one, and none has
}

// NewPlan makes the plan for a blob of that many leaves. No leaf is fetched before it was passed to
// Seen.
func NewPlan(leaves int, order *Order, t Timing) *Plan {
	return &Plan{timing: t, leaves: leaves, order: order, unseen: bitset.Full(leaves)}
}

// Seen says that leaves have been looked for in the other blobs here, and are to be fetched if they
// are still absent.
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

// Move notes which leaf a reader is at, and since when it has waited for that leaf. A zero time
// means that it is not waiting.
func (p *Plan) Move(r *Reader, leaf int, since time.Time) { r.leaf, r.since = leaf, since }

// Awaited returns the leaves that readers wait for, including those that are on their way.
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

// Release frees the leaves that a run still has for other runs.
func (p *Plan) Release(r *Run) {
	p.runs = slices.DeleteFunc(p.runs, func(o *Run) bool { return o == r })
	for _, o := range p.runs {
		if r.twice && o.From == r.From {
			o.twice = false
		}
	}
}

// Hand moves what is left of a run to another holder, which may send nothing at first for as long
// as patience. It returns the run that takes the place of r.
func (p *Plan) Hand(now time.Time, r *Run, id peer.ID, patience time.Duration) *Run {
	n := &Run{First: r.From, From: r.From, To: r.To, Holder: id, Began: now, Last: now, twice: r.twice, Patience: patience}
	if i := slices.Index(p.runs, r); i >= 0 {
		p.runs[i] = n
	}
	return n
}

// Shorten takes all but the next leaf off a run. It returns false when the run has no leaf left.
func (p *Plan) Shorten(r *Run) bool {
	r.To = min(r.To, r.From+1)
	return r.From < r.To
}

// Asks reports whether a member is being asked for a leaf.
func (p *Plan) Asks(id peer.ID, leaf int) bool {
	return slices.ContainsFunc(p.runs, func(r *Run) bool { return r.Holder == id && r.From <= leaf && leaf < r.To })
}

// Skip takes the first leaf off a run, because it is here. It returns the other runs that fetch the
// same leaf next, which can stop. One that would come to it later stops before it.
func (p *Plan) Skip(r *Run) (needless []*Run) {
	leaf := r.From
	r.From++
	r.twice = false
	for _, o := range p.runs {
		switch hung := o.hung || r.hung; {
		case o == r:
		case o.From == leaf && (o.twice || hung):
			needless = append(needless, o)
		case hung && o.From < leaf && leaf < o.To:
			o.To = leaf
		}
	}
	return needless
}

// Runs returns the runs that are under way.
func (p *Plan) Runs() []*Run { return p.runs }
