package schedule

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/bitset"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
)

// AnyLeaf stands for the inner blocks, which every holder has.
const AnyLeaf = -1

// Timing is how long a schedule waits for each kind of event.
type Timing struct {
	Grace   time.Duration // for a leaf, while no holder's speed is known
	Hedge   time.Duration // for the first byte, before another holder is asked as well; 0: none is
	Yield   time.Duration // for another registry to fetch a leaf for which it is first in line
	Retry   time.Duration // before a holder that failed is asked again; it doubles each time
	Backoff time.Duration // the longest such rest
	Stall   time.Duration // for a leaf, before it counts as hopeless
}

// Roster is the holders of the blob of one transfer. It is for one goroutine at a time.
type Roster struct {
	timing Timing
	dice   *rand.Rand
	by     map[peer.ID]*holder
	all    []*holder // in the order in which they were added
	dealt  []*holder // the same holders, in the order in which the dice last put them
}

type holder struct {
	id       peer.ID
	hash     uint64 // of id
	distance uint64 // drawn once: the nearest holders are asked which leaves they have
	whole    bool
	guessed  bool // it has not said yet that its copy is whole
	proved   bool // it has brought a leaf of this blob
	standing Standing
	hangs    bool       // a run of it brings nothing (Plan.hangs)
	fed      bool       // it was fetching the blob at the same time as this registry
	some     bitset.Set // the leaves that it has, when not whole
	any      bool       // some is not empty
	damaged  bool       // when not whole: it is not fetching the rest
	busy     int        // streams in use
	failures int        // since it last delivered
	until    time.Time  // when its rest after a failure ends
	rate     float64    // bytes per second of one stream; 0: unknown
}

// NewRoster makes an empty roster. The dice spread requests over holders that are alike.
func NewRoster(t Timing, dice *rand.Rand) *Roster {
	return &Roster{timing: t, dice: dice, by: map[peer.ID]*holder{}}
}

func (h *holder) has(leaf int) bool { return h.whole || leaf == AnyLeaf && h.any || h.some.Has(leaf) }

// part sets which leaves of the blob a holder has, when it does not have all of them.
func (h *holder) part(some bitset.Set) { h.some, h.any = some, some.Count() > 0 }

func (h *holder) rests(now time.Time) bool { return now.Before(h.until) }

// usable reports whether the holder can be asked for something now.
func (h *holder) usable(now time.Time) bool { return !h.rests(now) && !h.hangs && h.has(AnyLeaf) }

// Part is what a member has of a blob that it does not hold whole.
type Part struct {
	Leaves  bitset.Set
	Damaged bool // the member's copy is damaged: it is not fetching the rest
}

// Add notes what a member has just said that it has: the whole blob when some is nil. A member that
// rested after a failure can be asked again. A member that has only some of the blob is fetching
// the rest, unless its copy is damaged.
func (r *Roster) Add(id peer.ID, some *Part) {
	h := r.holder(id)
	h.part(nil)
	h.whole, h.damaged = some == nil, false
	h.until, h.guessed = time.Time{}, false
	if some != nil {
		h.part(some.Leaves)
		h.damaged = some.Damaged
		h.fed = h.fed || !h.damaged
	}
}

// holder returns the entry of a member, and makes one if there is none.
func (r *Roster) holder(id peer.ID) *holder {
	h := r.by[id]
	if h == nil {
		h = &holder{}
		r.put(id, h)
	}
	return h
}

func (r *Roster) put(id peer.ID, h *holder) {
	h.id, h.hash, h.distance = id, xxhash.Sum64String(string(id)), r.dice.Uint64()
	r.by[id] = h
	r.all, r.dealt = append(r.all, h), append(r.dealt, h)
}

func (r *Roster) drop(id peer.ID) {
	delete(r.by, id)
	for _, all := range []*[]*holder{&r.all, &r.dealt} {
		*all = slices.DeleteFunc(*all, func(h *holder) bool { return h.id == id })
	}
}

// Meet notes that a member is fetching the blob, too.
func (r *Roster) Meet(id peer.ID) {
	if h := r.holder(id); !h.whole || h.guessed {
		h.whole, h.guessed, h.damaged, h.fed = false, false, false, true
	}
}

// Guess treats a member as a holder until it answers.
func (r *Roster) Guess(id peer.ID) {
	if r.by[id] == nil {
		r.put(id, &holder{whole: true, guessed: true})
	}
}

// Proved notes that a member has brought a leaf, even if it has not said yet that it holds the
// blob.
func (r *Roster) Proved(id peer.ID) {
	if h := r.by[id]; h != nil {
		h.proved = true
	}
}

// Pick takes the best holder of a leaf that is none of those in but: by its standing, and then the
// one with the fewest failures, and with the fewest streams in use. Give it back with Done or Free.
func (r *Roster) Pick(now time.Time, leaf int, but ...peer.ID) (id peer.ID, ok bool) {
	var best *holder
	for h := range r.drawn {
		if h.rests(now) || !h.has(leaf) || slices.Contains(but, h.id) {
			continue
		}
		if best == nil || h.pickBefore(best) < 0 {
			best = h
		}
	}
	if best == nil {
		return "", false
	}
	best.busy++
	return best.id, true
}

// Take takes a holder that the caller has chosen, as Pick does.
func (r *Roster) Take(id peer.ID) {
	if h := r.by[id]; h != nil {
		h.busy++
	}
}

// Free gives back a holder that was not used.
func (r *Roster) Free(id peer.ID) {
	if h := r.by[id]; h != nil {
		h.busy = max(0, h.busy-1)
	}
}

// Failed reports whether a member failed when it was last asked.
func (r *Roster) Failed(id peer.ID) bool {
	h := r.by[id]
	return h != nil && h.failures > 0
}

// Holds reports whether a member has the whole blob.
func (r *Roster) Holds(id peer.ID) bool {
	h := r.by[id]
	return h != nil && h.whole
}

// Outcome is how a holder answered.
type Outcome int

// These are the outcomes.
const (
	Delivered Outcome = iota // it sent what was requested, or was told to stop
	Gone                     // it does not have what was requested, or not yet
	Lied                     // it sent wrong bytes
	Broke                    // anything else: silence, slowness, a broken connection
)

// Done gives a holder back. A holder that broke rests, longer each time. A holder that no longer
// has the blob, or lied, is dropped.
func (r *Roster) Done(now time.Time, id peer.ID, how Outcome) {
	h := r.by[id]
	if h == nil {
		return
	}
	h.busy = max(0, h.busy-1)
	switch {
	case how == Delivered:
		h.failures = 0
	case how == Gone && !h.whole:
		h.part(nil) // until it says again which leaves it has
	case how == Gone, how == Lied:
		r.drop(id)
	default:
		h.fail(now, r.timing)
	}
}

func (h *holder) fail(now time.Time, t Timing) {
	h.failures++
	h.until = now.Add(min(t.Retry<<min(h.failures-1, 8), t.Backoff))
}

// Measured notes how many bytes one stream of a holder carried in a time. Less than a quarter of a
// leaf says too little, and is ignored.
func (r *Roster) Measured(id peer.ID, bytes int64, took time.Duration) {
	h := r.by[id]
	if h == nil || took <= 0 || bytes < dag.LeafSize/4 {
		return
	}
	rate := float64(bytes) / took.Seconds()
	if h.rate > 0 {
		rate = (rate + h.rate) / 2
	}
	h.rate = rate
}

// Heard notes the answer of a registry in mid-transfer that was asked which leaves it has. leaves
// is how many the blob has. have is valid only when the answer was Delivered.
func (r *Roster) Heard(now time.Time, id peer.ID, how Outcome, have bitset.Set, leaves int) {
	h := r.by[id]
	if h == nil {
		return
	}
	switch how {
	case Gone, Lied:
		r.drop(id)
	case Broke:
		h.fail(now, r.timing)
	case Delivered:
		h.part(have)
		h.whole = have.Count() == leaves
		h.damaged = h.damaged && !h.whole
	}
}

// Fetchers returns at most most members that have a part of the blob and can be asked which leaves
// they have by now. Of many it always returns the same ones: it is better to know what a few have
// now than what a thousand had a while ago.
func (r *Roster) Fetchers(now time.Time, most int) (ids []peer.ID) {
	var nearest []*holder
	for _, h := range r.all {
		if !h.whole && !h.rests(now) && !h.standing.Sunk {
			nearest = keep(nearest, most, h, func(a, b *holder) int { return cmp.Compare(a.distance, b.distance) })
		}
	}
	for _, h := range nearest {
		ids = append(ids, h.id)
	}
	return ids
}

// Streams returns how many ranges to receive at once: one from each holder, within bounds.
func (r *Roster) Streams(now time.Time) int {
	n, sound := 0, r.sound(now)
	for _, h := range r.all {
		if h.usable(now) && (!sound || !h.standing.Sunk) {
			n++
		}
	}
	return min(max(n, streams), MaxStreams)
}

// Enough reports whether a member that has the whole blob can be asked now, and is neither sunk nor
// asked in vain.
func (r *Roster) Enough(now time.Time) bool { return r.sound(now) }

// Empty reports whether no known member has any of the blob, or had any when it was last reached.
// A member that was only guessed counts once it has brought a leaf. A damaged copy counts only when
// it has one of the absent leaves; absent is nil while they are not known.
func (r *Roster) Empty(absent bitset.Set) bool {
	return !r.any(func(h *holder) bool {
		return h.has(AnyLeaf) && (!h.guessed || h.proved) && (!h.damaged || absent == nil || h.some.Meets(absent))
	})
}

// Damaged reports whether a member has only the undamaged leaves of a damaged copy.
func (r *Roster) Damaged(id peer.ID) bool {
	h := r.by[id]
	return h != nil && h.damaged
}

// Torn reports whether only damaged copies are known, which may not add up to the whole blob.
func (r *Roster) Torn() bool {
	return r.any(func(h *holder) bool { return h.damaged }) &&
		!r.any(func(h *holder) bool { return !h.damaged && h.has(AnyLeaf) })
}

// Faster reports whether another holder that can be asked for a leaf now sends more than twice as
// many bytes per second. If the leaf would take longer than a transfer may stall, a holder of
// unknown speed counts as well.
func (r *Roster) Faster(now time.Time, than peer.ID, leaf int, rate float64) bool {
	hopeless := rate*r.timing.Stall.Seconds() < dag.LeafSize
	for _, h := range r.all {
		if h.id == than || h.rests(now) || !h.has(leaf) {
			continue
		}
		if h.rate > 2*rate || h.rate == 0 && hopeless {
			return true
		}
	}
	return false
}

func (r *Roster) any(is func(*holder) bool) bool { return slices.ContainsFunc(r.all, is) }

// drawn iterates over all holders, in an order that the dice make on the way. The order of a map
// would not do: a test could not repeat it.
func (r *Roster) drawn(yield func(*holder) bool) {
	for i := range r.dealt {
		j := i + r.dice.IntN(len(r.dealt)-i)
		r.dealt[i], r.dealt[j] = r.dealt[j], r.dealt[i]
		if !yield(r.dealt[i]) {
			return
		}
	}
}
