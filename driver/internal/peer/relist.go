package peer

import (
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/limit"
)

// SetLists replaces the lists of whom this peer trusts and lets in, and returns when that holds: who is
// no longer allowed has no connection. Who is no longer trusted is disconnected as well, so that
// nothing goes on that it has begun as a trusted member, and comes back as what it is now. Who is
// trusted from now on counts as one that has just appeared. Members hear of it in the next
// heartbeat, which is sent at once.
//
// It may be called before Start, and is not to be called after Close.
func (p *Peer) SetLists(l Lists) {
	p.relist(func() (before, now *circle) { return p.roster.lists.set(p.ID(), l) })
}

func (p *Peer) relist(change func() (before, now *circle)) {
	p.listing.Lock()
	defer p.listing.Unlock()
	before, now := change()
	var closing sync.WaitGroup
	for _, id := range p.host.Network().Peers() {
		switch {
		case now.revoked[id]:
			p.about(id).Info("this peer was revoked: its connections are closed")
			closing.Go(func() { p.shut(id) })
		case !now.allows(id):
			p.about(id).Info("this peer is no longer allowed: its connections are closed")
			closing.Go(func() { p.shut(id) })
		case before.trusts(id) && !now.trusts(id):
			p.about(id).Info("this peer is no longer trusted: its changes count no more, and it is connected afresh")
			closing.Go(func() { p.shut(id) })
		case !before.trusts(id) && now.trusts(id):
			p.about(id).Info("this peer is trusted from now on: its changes count")
			p.nowTrusted(id)
		}
	}
	closing.Wait()
	p.roster.relisted()
	p.wakeDialler()
	p.Changed()
}

// shut closes all connections with a peer, those of the data ports included.
func (p *Peer) shut(id peer.ID) {
	p.opened.closeOf(id)
	_ = p.host.Network().ClosePeer(id) // it is gone either way
}

// nowTrusted has a member that is connected count as one that is trusted and has just appeared: what it
// announced before was not heard.
func (p *Peer) nowTrusted(id peer.ID) {
	p.raise(id)
	if !p.IsMember(id) {
		return
	}
	if p.onMember != nil {
		p.onMember(id)
	}
	p.greet(id)
}

// relisted notes of all peers what another list means for them.
func (r *roster) relisted() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, e := range r.records {
		e.disagrees = time.Time{}
		if e.known && !e.confirmed && r.isNamed(id) {
			e.confirmed, e.unsaved = true, true
			r.settle(e)
		}
	}
}

// unlisted notes that a connection was refused, because its peer is not allowed.
func (p *Peer) unlisted(id peer.ID, at multiaddr.Multiaddr) {
	p.cfg.Budget.Count(limit.Unlisted, limit.Source{Peer: id, Address: addressOf(at), Rank: limit.Connected})
	switch {
	case !p.once.first("unlisted", id.String()):
	case p.roster.lists.revokes(id):
		p.about(id).WithField("address", at).Info("a peer is refused that was revoked: this is said once, and counted in registry_ipfs_refused_total")
	default:
		p.about(id).WithField("address", at).Info("a peer is refused that has the protector key, and that allowedpeers does not name: " +
			"this is said once, and counted in registry_ipfs_refused_total")
	}
}

// closeUnlisted closes a connection that began while the list changed.
func (p *Peer) closeUnlisted(id peer.ID, now network.Connectedness) {
	if now == network.Connected && !p.Allows(id) {
		p.run(func() { p.shut(id) })
	}
}
