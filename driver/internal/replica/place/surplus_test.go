package place

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
)

// faults are rules that a world may break, one at a time.
var faults = []string{
	"answers that it keeps what it gives up", "does not ask", "asks before it stops answering",
	"counts one that is draining", "is switched off without having asked",
}

// house is one registry's part in the life of one blob.
type house struct {
	id       peer.ID
	has      bool
	up, left bool
	draining bool
	free     bool // it was told that it may be switched off for good
	view     *View
	leaving  *leaving
}

// leaving is a copy that is being given up, or a registry that asks whether it may be switched off.
type leaving struct {
	of      Surplus
	open    []peer.ID // have not answered yet
	kept    int
	forGood bool
	silent  bool // nobody knows, by a fault
}

// world is a few registries with one blob, of which there are to be so many copies.
type world struct {
	t      *testing.T
	rand   *rand.Rand
	fault  string
	blob   cid.Cid
	copies int
	all    []*house
	least  int // copies that anybody ever had to hear of
	given  int // copies that went
}

func newWorld(t *testing.T, seed uint64, fault string) *world {
	w := &world{t: t, rand: rand.New(rand.NewPCG(seed, 7)), fault: fault, blob: blob(int(seed))}
	n := 3 + w.rand.IntN(5)
	w.copies = 1 + w.rand.IntN(3)
	for i := range n {
		w.all = append(w.all, &house{id: peer.ID(fmt.Sprintf("registry %d", i)), up: true, has: w.rand.IntN(4) > 0})
	}
	for _, h := range w.all {
		w.look(h)
	}
	w.least = w.copies
	return w
}

// look gives a registry another view: of the others it may know anything, of itself the truth.
func (w *world) look(h *house) {
	var members []Member
	for _, o := range w.all {
		m := Member{ID: o.id, Capacity: int64(w.rand.IntN(3)), Draining: o.draining && w.rand.IntN(2) == 0}
		if o == h {
			m.Draining = o.draining
		}
		members = append(members, m)
	}
	h.view = NewView(members)
}

func (w *world) holders() (n int) {
	for _, h := range w.all {
		if h.has {
			n++
		}
	}
	return n
}

// answers is what a registry says to one that asks whether it keeps the blob.
func (w *world) answers(h *house) bool {
	held := Held{
		Leaving: h.draining || h.leaving != nil && !h.leaving.silent,
		Keeper:  slices.Contains(h.view.Keepers(nil, w.blob, w.copies), h.id), Safe: h.has,
	}
	switch {
	case w.fault == faults[0] && h.leaving != nil && !h.draining, w.fault == faults[3] && h.draining:
		held.Leaving, held.Keeper = false, true
	}
	return held.Kept()
}

// begin has a registry ask whether it may give up its copy, or be switched off.
func (w *world) begin(h *house, forGood bool) {
	if forGood && !h.draining {
		h.draining = true
		w.look(h)
	}
	of, ok := h.view.Surplus(h.id, w.blob, w.copies)
	if !ok {
		return
	}
	h.leaving = &leaving{of: of, open: slices.Clone(of.Ask), forGood: forGood, silent: w.fault == faults[2]}
	if w.fault == faults[1] || w.fault == faults[4] && forGood {
		h.leaving.open, h.leaving.kept = nil, of.Need
	}
}

// hear lets one question be answered, or lost.
func (w *world) hear(h *house) {
	l := h.leaving
	id := l.open[0]
	l.open = l.open[1:]
	o := w.all[slices.IndexFunc(w.all, func(o *house) bool { return o.id == id })]
	if o.up && w.rand.IntN(8) > 0 && w.answers(o) {
		l.kept++
	}
}

// end gives the copy up, if enough has been heard.
func (w *world) end(h *house) {
	l := h.leaving
	h.leaving = nil
	of, ok := h.view.Surplus(h.id, w.blob, w.copies)
	if !ok || l.kept < of.Need {
		return
	}
	w.least = min(w.least, of.Need)
	if l.forGood {
		h.free = true
		return
	}
	h.has = false
	w.given++
}

// step lets something happen.
func (w *world) step() {
	h := w.all[w.rand.IntN(len(w.all))]
	switch n := w.rand.IntN(100); {
	case h.left: // another machine takes its place
		if n < 10 {
			*h = house{id: h.id, up: true}
			w.look(h)
		}
	case n < 3 && h.up: // it crashes: what is on its disk stays
		h.up, h.leaving = false, nil
	case !h.up:
		h.up = n < 30
	case n < 25:
		w.look(h)
	case n < 28 && h.draining && h.leaving == nil:
		h.draining, h.free = false, false
		w.look(h)
	case h.free && n < 40: // it is switched off, and its disk is wiped
		h.has, h.up, h.left = false, false, true
		w.given++
	case n == 34 && !h.has && !h.draining: // it fetches the blob, if anybody has it
		h.has = w.holders() > 0
	case h.leaving == nil && h.has && !h.free && n < 60:
		w.begin(h, h.draining || w.rand.IntN(20) == 0)
	case h.leaving != nil && len(h.leaving.open) > 0:
		w.hear(h)
	case h.leaving != nil && n >= 95:
		w.end(h)
	}
}

// play plays a world, and returns how many copies went, and whether there ever were too few.
func play(t *testing.T, seed uint64, fault string) (given int, lost bool) {
	w := newWorld(t, seed, fault)
	if w.holders() == 0 {
		return 0, false
	}
	for range 2000 {
		before, gave := w.holders(), w.given
		w.step()
		if w.given > gave && w.holders() < min(before, w.least) {
			return w.given, true
		}
	}
	return w.given, false
}

// TestCopiesAreNeverGivenUpAsOne plays worlds in which views differ and change all the time,
// several registries give up their copies or are drained at once, and all crash now and then. The
// copies of a blob never become fewer than had to be heard of, on all disks; and each rule that is
// broken is found.
func TestCopiesAreNeverGivenUpAsOne(t *testing.T) {
	given := 0
	for seed := range uint64(2000) {
		n, lost := play(t, seed, "")
		if lost {
			t.Fatalf("seed %d: too few copies", seed)
		}
		given += n
	}
	if given < 2000 {
		t.Errorf("only %d copies were given up", given)
	}
	for _, fault := range faults {
		found := false
		for seed := uint64(0); seed < 3000 && !found; seed++ {
			_, found = play(t, seed, fault)
		}
		if !found {
			t.Errorf("not found: one that %s", fault)
		}
	}
}
