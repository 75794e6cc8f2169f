package place

import (
	"cmp"
	"slices"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
)

// Hold is a reason for which blobs get no new keepers because of members that are away. Copies
// that enough others keep may be given up all the same.
type Hold int

// Reasons, from none to the weightiest.
const (
	NoHold Hold = iota
	// Silent: a member that is here, or was until a short while ago, has not said its
	// capacity. It has just come, or is of an earlier release. Repair now would bring here
	// what the member is going to keep; when members are upgraded one by one, the first of
	// them would get all blobs of the swarm.
	Silent
	// ManyAway: more than a third of the members are away. Rather the network is broken than
	// all of them, and their blobs have nowhere to go.
	ManyAway
)

// Verdict is which members count.
type Verdict struct {
	View *View
	Hold Hold
	// Gone are members that have been away for longer than the delay, and do not count; none
	// while many are away.
	Gone []peer.ID
	// Silent are the members of the reason of that name.
	Silent []peer.ID
	// Away are, of the Known members that keep blobs for others (this one included), those
	// that are away.
	Away, Known int
}

// Judge says which members count, among the trusted ones that this registry knows: all those
// that have not been away for longer than the delay. Until then a member that is away keeps
// its place, so that nothing moves when it comes back. The order of the members does not
// matter.
func Judge(self Member, others []Member, delay time.Duration) Verdict {
	var v Verdict
	var gone, counted []Member
	for _, m := range append([]Member{self}, others...) {
		if m.Draining || m.Capacity == 0 {
			if m.Away <= delay {
				counted = append(counted, m)
			}
			continue // nothing moves when it goes
		}
		v.Known++
		if m.Away > 0 {
			v.Away++
		}
		switch {
		case m.Away > delay:
			gone = append(gone, m)
			continue
		case m.Capacity < 0:
			v.Silent = append(v.Silent, m.ID)
		}
		counted = append(counted, m)
	}
	switch {
	case 3*v.Away > v.Known:
		v.Hold, counted, gone = ManyAway, append(counted, gone...), nil
	case len(v.Silent) > 0:
		v.Hold = Silent
	}
	for _, m := range gone {
		v.Gone = append(v.Gone, m.ID)
	}
	slices.Sort(v.Gone)
	slices.Sort(v.Silent)
	v.View = NewView(counted)
	return v
}

// Lack is a blob with fewer copies than it is to have.
type Lack struct {
	Blob   cid.Cid
	Size   int64 // bytes
	Copies int   // that are known to be on some disk
}

// Urgency compares two blobs by which is to be copied first: the one with fewer copies, so
// that what may be lost next is safe first; of those the smaller one, so that more are safe
// sooner. One without any comes last, since there is nothing to copy it from.
func Urgency(a, b Lack) int {
	return cmp.Or(
		cmp.Compare(uint(a.Copies-1), uint(b.Copies-1)),
		cmp.Compare(a.Size, b.Size),
		cmp.Compare(a.Blob.KeyString(), b.Blob.KeyString()),
	)
}
