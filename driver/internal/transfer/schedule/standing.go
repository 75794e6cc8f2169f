package schedule

import (
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// leastRate is how many bytes a second a run has to bring so as not to count as mute: a leaf would
// take four minutes, which is more than a transfer has for one.
const leastRate = 4 << 10

// Standing is how much it is worth when a member says that it has something, by what it did in all
// transfers. The zero Standing is that of a member that is relied on.
type Standing struct {
	Untrusted bool // its word counts for nothing: trusted members come first
	Unproved  bool // it has not brought anything since it was last mute or wrong
	Sunk      bool // it was lately mute or wrong: it is asked only when nobody else is left
}

// Judge notes the standing of a member that the roster has.
func (r *Roster) Judge(id peer.ID, s Standing) {
	if h := r.by[id]; h != nil {
		h.standing = s
		h.proved = h.proved && !s.Unproved
	}
}

// proves reports whether it has still to show that it brings what it says it has.
func (h *holder) proves() bool { return h.standing.Unproved && !h.proved }

// idles reports whether a member may have said that it fetches the blob only so that others wait
// for it.
func (h *holder) idles() bool { return h.standing.Sunk || h.standing.Untrusted && h.proves() }

// sound reports whether anybody has the whole blob who can be asked and is not sunk, so that nobody
// need be who is.
func (r *Roster) sound(now time.Time) bool {
	return r.any(func(h *holder) bool { return h.whole && !h.guessed && !h.standing.Sunk && h.usable(now) })
}

// hangs notes which holders have brought nothing for their runs in the time in which another one is
// asked for the same leaves, and returns the other runs. The leaves of a run that hangs count as
// nobody's, though they may still come. Of a holder that has brought something before, that goes
// only for the first leaf of a blob, and for one such run.
func (p *Plan) hangs(now Now, r *Roster) (others []*Run) {
	for _, h := range r.all {
		h.hangs = false
	}
	first := map[int]bool{}
	for _, o := range p.runs {
		h := r.by[o.Holder]
		relied := h != nil && !h.proves()
		o.hangs = p.Mute(now.Time, o) && (!relied || !now.Begun && !first[o.From])
		o.hung = o.hung || o.hangs
		if !o.hangs {
			others = append(others, o)
			continue
		}
		first[o.From] = first[o.From] || relied
		for _, id := range []peer.ID{o.Holder, o.Namer} { // who named one that is mute may be, too
			if h := r.by[id]; h != nil {
				h.hangs = true
			}
		}
	}
	return others
}

// Mute reports whether a run has brought as good as nothing for longer than it was given, so that
// another holder is asked for its leaves.
func (p *Plan) Mute(now time.Time, r *Run) bool {
	age := now.Sub(r.Began) - r.Patience
	return p.timing.Hedge > 0 && age >= p.timing.Hedge && float64(r.Got) < leastRate*age.Seconds()
}

// Hedge returns how long it takes until another holder is asked for the leaves of a run, if that
// brings nothing.
func (p *Plan) Hedge(now time.Time) time.Duration {
	least := p.timing.Stall
	for _, r := range p.runs {
		if left := r.Patience + p.timing.Hedge - now.Sub(r.Began); left > 0 {
			least = min(least, left)
		}
	}
	return least
}

// Another reports whether a holder that is not the one given, and none of those in but, can be asked
// for a leaf. One that is sunk can only be asked in the place of one that is as well.
func (r *Roster) Another(now time.Time, id peer.ID, leaf int, but ...peer.ID) bool {
	than := r.by[id]
	return r.any(func(h *holder) bool {
		return h != than && !h.rests(now) && h.has(leaf) && !slices.Contains(but, h.id) &&
			(!h.standing.Sunk || than != nil && than.standing.Sunk)
	})
}

// lone reports whether the other registries that say they fetch the blob have brought nothing for
// so long that their turns are waited for no more.
func (p *Plan) lone(v *view, r *Roster) bool {
	fed := r.any(func(h *holder) bool { return h.fed && h.proved })
	if v.first || v.others == 0 || fed || p.unfed.IsZero() {
		p.unfed = v.now
	}
	return p.timing.Hedge > 0 && v.now.Sub(p.unfed) >= 2*v.yield
}
