package peer

import (
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// disagreeTime is how long a member's list of trusted peers has to be another one than ours until the
// log says so: a new list comes to all registries within some seconds, and to none at the same time.
const disagreeTime = time.Minute

// warnOfTrust logs once of each member that its list of trusted peers has been another one for a while.
func (p *Peer) warnOfTrust(now time.Time) {
	for _, id := range p.roster.disagreeing(now) {
		if p.once.first("trust", id.String()) {
			p.about(id).Warn("this member's list of trusted peers differs from this registry's: one of them may ignore changes that the other accepts; " +
				"make trustedpeers the same on all registries")
		}
	}
}

// disagreeing are the connected members that have been seen for a while to have another list.
func (r *roster) disagreeing(now time.Time) (ids []peer.ID) {
	ours := r.lists.digest()
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, e := range r.records {
		switch {
		case !e.member() || !e.disagreesWith(ours):
			e.disagrees = time.Time{}
		case e.disagrees.IsZero():
			e.disagrees = now
		case now.Sub(e.disagrees) >= disagreeTime:
			ids = append(ids, id)
		}
	}
	return ids
}

// disagreesWith reports whether a peer's list of trusted peers is another one than ours.
func (e *entry) disagreesWith(ours string) bool { return e.trust != "" && e.trust != ours }
