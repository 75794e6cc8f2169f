// Package place says who keeps a blob. All registries that know the same facts about the same
// members come to the same answer alone, to the last bit: nothing is agreed on by messages.
//
// The order of a blob's keepers is that of weighted rendezvous hashing (package rendezvous)
// over members and their capacities, zones first: no zone has a second keeper while another has
// none, nor a third while another has a member left and only one. A member that comes or goes
// moves the copies that it keeps, and no other.
//
//	v := place.Judge(self, others, repairDelay) // whenever a fact has changed
//	keepers := v.View.Keepers(buf[:0], entry.CID, replicas)
//	if slices.Contains(keepers, self.ID) { … }  // to be kept here
//	v.View.Everybody()                          // keep each manifest, index, config up to 4 MiB
//	if v.Hold == place.NoHold { … }             // repair, the blobs in the order of Urgency
//
// Limits: where there are no more zones than copies, each zone keeps a copy of every blob, also
// one with little capacity. Registries that have heard different facts differ, until they have
// heard the same, about the blobs of the members concerned. How full a member is does not
// matter. This package only decides: no clock, no network, no locks.
package place

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/rendezvous"
)

const (
	// All is a number of keepers that no swarm has members for.
	All = math.MaxInt
	// Unknown is the capacity of a member that has not said it: of an earlier release, which
	// keeps nothing for others and does not answer whether it keeps a blob.
	Unknown = -1
)

// Member is a registry, with what the one that decides knows of it.
type Member struct {
	ID       peer.ID
	Zone     string // members with the same one may fail together; "" is a zone, too
	Capacity int64  // bytes, as the member says; 0: it keeps only small blobs for others; or Unknown
	Draining bool   // it is to be switched off for good, and keeps nothing
	// Away is for how long this registry has run without the member; 0: the member is here.
	Away time.Duration
}

// keeps reports whether the member would keep blobs, were it here.
func (m Member) keeps() bool { return m.Capacity > 0 && !m.Draining }

// View is the members among which blobs are placed. It does not change, and is safe for
// concurrent use.
type View struct {
	keepers   []keeper // in the order of their IDs
	everybody []peer.ID
	zones     int
}

type keeper struct {
	id     peer.ID
	weight uint64
	zone   int
}

// NewView makes the view of those members that are to count, each named once, in any order:
// how long they have been away does not matter here.
func NewView(members []Member) *View {
	members = slices.Clone(members)
	slices.SortFunc(members, func(a, b Member) int { return cmp.Compare(a.ID, b.ID) })
	v, zones := &View{}, map[string]int{}
	for _, m := range members {
		if m.Draining || m.Capacity < 0 {
			continue
		}
		v.everybody = append(v.everybody, m.ID)
		if !m.keeps() {
			continue
		}
		zone, known := zones[m.Zone]
		if !known {
			zone = len(zones)
			zones[m.Zone] = zone
		}
		v.keepers = append(v.keepers, keeper{m.ID, uint64(m.Capacity), zone})
	}
	v.zones = len(zones)
	return v
}

// Everybody is who keeps a small blob that all are to keep, in the order of their IDs: also
// members of capacity 0.
func (v *View) Everybody() []peer.ID { return slices.Clone(v.everybody) }

// Equal reports whether another view places all blobs alike.
func (v *View) Equal(o *View) bool {
	return slices.Equal(v.keepers, o.keepers) && slices.Equal(v.everybody, o.everybody)
}

// Keepers appends the first n keepers of a blob, in their order, or as many as there are. More
// of them begin with the same ones, so that those after the first n can stand in for members
// that are away. The blob must not be one that lies in its CID (an identity CID).
func (v *View) Keepers(dst []peer.ID, blob cid.Cid, n int) []peer.ID {
	n = min(n, len(v.keepers))
	if n <= 0 {
		return dst
	}
	var few [256]rendezvous.Lot
	var fewZones [256]int
	lots, taken := few[:0], fewZones[:]
	if v.zones > len(fewZones) {
		taken = make([]int, v.zones)
	}
	key := blob.KeyString()
	for _, k := range v.keepers {
		lots = append(lots, rendezvous.Draw(k.id, key))
	}
	for range n {
		next := v.next(lots, taken)
		lots[next] = 0
		taken[v.keepers[next].zone]++
		dst = append(dst, v.keepers[next].id)
	}
	return dst
}

// next is the keeper that follows those that are taken, whose lots are 0: one of a zone of
// which the fewest are taken, and of these the first by its lot.
func (v *View) next(lots []rendezvous.Lot, taken []int) int {
	best := -1
	for i, lot := range lots {
		if lot == 0 {
			continue
		}
		if best < 0 {
			best = i
			continue
		}
		a, b := &v.keepers[i], &v.keepers[best]
		more := taken[a.zone] - taken[b.zone]
		if more < 0 || more == 0 && lot.Before(a.weight, lots[best], b.weight) {
			best = i
		}
	}
	return best
}
