package place

import (
	"slices"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
)

// A copy is given up in this order: the registry is no keeper of the blob in its own view; from
// now on it answers nobody that it keeps the blob (Held.Leaving); it asks those of Surplus; Need
// of them answer that they keep it (Held.Kept), each at some moment after the question; the
// registry still is no keeper, by a view that needs no more; only then its copy goes, or it counts
// as staying again.
//
// Why no two registries can count on each other, however views differ and change: of all that ever
// give a copy up take the one that was the last to begin. Those it counted answered after that,
// and were not giving theirs up. They did not begin later either. So Need copies stay for good.

// Surplus is what a registry has to hear before it gives a copy up.
type Surplus struct {
	Ask  []peer.ID // who should keep the blob
	Need int       // how many have to answer that they do; at least 1
}

// Surplus says what self has to hear to give up its copy of a blob of which there are to be so
// many copies; false when self is one of the keepers.
func (v *View) Surplus(self peer.ID, blob cid.Cid, copies int) (Surplus, bool) {
	keepers := v.Keepers(nil, blob, copies)
	if slices.Contains(keepers, self) {
		return Surplus{}, false
	}
	return Surplus{Ask: keepers, Need: max(1, len(keepers))}, true
}

// Held is what a registry's answer depends on that is asked whether it keeps a blob. Whether it is
// Leaving is looked at first.
type Held struct {
	Leaving bool // its copy is being given up, or it is to be switched off
	Keeper  bool // it is one of the keepers, in its own view
	Safe    bool // the whole blob is on its disk, synced
}

// Kept is the answer.
func (h Held) Kept() bool { return h.Safe && h.Keeper && !h.Leaving }
