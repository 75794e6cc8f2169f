package peer

import (
	"net/netip"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/limit"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer/hearsay"
)

// standing is how much a peer counts when it is dialed or kept in mind: first come those with a
// lower one.
type standing int

const (
	chosen    standing = iota // in the configuration: a bootstrapper, or among trustedpeers
	confirmed                 // a member once, of which something useful came
	onTrial                   // a member once
	hearsaid                  // only named by members

	standings = iota
)

func (e *entry) standing(r *roster) standing {
	switch {
	case e.keep || r.isNamed(e.id):
		return chosen
	case e.known && e.confirmed:
		return confirmed
	case e.known:
		return onTrial
	}
	return hearsaid
}

// isChosen reports whether the configuration has a peer: as one of trustedpeers, or to be dialed.
func (r *roster) isChosen(id peer.ID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.records[id]
	return r.isNamed(id) || e != nil && e.keep
}

// isNamed reports whether trustedpeers names a peer.
func (r *roster) isNamed(id peer.ID) bool { return r.lists.names(id) }

// trusts is Peer.Trusts.
func (r *roster) trusts(id peer.ID) bool { return r.lists.trusts(id) }

// Confirm notes that something useful came of a member: a path exchange with it ended well, or
// a leaf that it sent was right. Until then it is a member while it is connected, and no longer:
// it is dialed with less zeal, does not count as one that is away, and is forgotten after a day.
// It may be called often.
func (p *Peer) Confirm(id peer.ID) {
	if p.roster.confirm(id) {
		p.wakeDialler()
		p.remember(p.ctx, id)
	}
}

// confirm reports whether that is news.
func (r *roster) confirm(id peer.ID) (news bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.records[id]
	if e == nil || !e.known || e.confirmed {
		return false
	}
	e.confirmed, e.unsaved = true, true
	r.settle(e)
	return true
}

func (r *roster) isConfirmed(id peer.ID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.records[id]
	return e != nil && e.confirmed
}

// seenAt notes where a member is connected from.
func (r *roster) seenAt(id peer.ID, from netip.Addr) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.records[id]; e != nil && from.IsValid() {
		e.site, e.teller = limit.Address(from), from
		r.settle(e)
	}
}

// settle notes that a peer of good standing is at home where it was seen. r.mu is held.
func (r *roster) settle(e *entry) {
	if e.known && e.standing(r) < onTrial {
		r.homes.add(e.site)
	}
}

// memberAt reports whether a member is connected from a site.
func (r *roster) memberAt(site netip.Prefix) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.records {
		if e.member() && e.site == site {
			return true
		}
	}
	return false
}

// remoteAddr is the other end of a peer's oldest connection; the zero Addr when it has none.
func (p *Peer) remoteAddr(id peer.ID) (ip netip.Addr) {
	if conns := p.host.Network().ConnsToPeer(id); len(conns) > 0 {
		ip, _ = hearsay.IPOf(conns[0].RemoteMultiaddr())
	}
	return ip
}

// readSite reads what remembered.Site has; the zero Prefix for anything else.
func readSite(s string) netip.Prefix {
	site, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}
	}
	return site
}
