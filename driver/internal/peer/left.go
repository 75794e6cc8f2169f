package peer

import "github.com/libp2p/go-libp2p/core/peer"

// tidyLeft forgets members that said, before they went away, that others have all that they had.
// Nobody misses anything without them.
func (p *Peer) tidyLeft() {
	for _, id := range p.roster.left() {
		if p.forgetLate(id, true) {
			p.about(id).Info("registry forgotten: it was drained, and has left")
		}
	}
}

// left returns the members that are away, and were drained when they were heard last.
func (r *roster) left() (ids []peer.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, e := range r.records {
		if e.known && !e.member() && !e.dialing && e.beat != nil && e.beat.Draining && e.beat.Drained && r.trusts(id) {
			ids = append(ids, id)
		}
	}
	return ids
}
