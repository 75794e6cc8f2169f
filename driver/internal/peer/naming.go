package peer

import (
	"net/netip"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/limit"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer/hearsay"
)

// maxNamings are the sites of which what they say of one peer is kept: one that lies does not
// displace what others say.
const maxNamings = 3

// naming is what a site says of where a peer is.
type naming struct {
	site  netip.Prefix
	addrs []multiaddr.Multiaddr
}

// says adds what a site says to what is known of a peer; news reports whether it is anything new.
func (e *entry) says(site netip.Prefix, addrs []multiaddr.Multiaddr) (news bool) {
	i := slices.IndexFunc(e.named, func(n naming) bool { return n.site == site })
	if i < 0 {
		if len(e.named) == maxNamings {
			e.named = slices.Delete(e.named, 0, 1)
		}
		e.named = append(e.named, naming{site: site})
		i = len(e.named) - 1
	}
	n := &e.named[i]
	for _, a := range addrs {
		if !multiaddr.Contains(e.addrs, a) && !multiaddr.Contains(e.fixed, a) && !multiaddr.Contains(n.addrs, a) {
			n.addrs = slices.Insert(n.addrs, 0, a)
			news = true
		}
	}
	n.addrs = n.addrs[:min(len(n.addrs), hearsay.MaxAddrs)]
	return news
}

// pool counts the peers that were only named, by the site that named each first.
type pool struct {
	of  map[netip.Prefix]int
	all int
}

func (p *pool) add(e *entry) {
	if p.of == nil {
		p.of = map[netip.Prefix]int{}
	}
	p.of[e.site]++
	p.all++
	e.pooled = true
}

// remove takes a peer out, which is known or dropped from now on.
func (p *pool) remove(e *entry) {
	if !e.pooled {
		return
	}
	p.all--
	if p.of[e.site]--; p.of[e.site] == 0 {
		delete(p.of, e.site)
	}
	e.pooled = false
}

// largest is the site that named most.
func (p *pool) largest() (site netip.Prefix) {
	for s, n := range p.of {
		if n > p.of[site] {
			site = s
		}
	}
	return site
}

// curious reports whether it matters what others say of where a peer is.
func (r *roster) curious(id peer.ID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.records[id]
	return id != r.self && r.lists.allows(id) && (e == nil || !e.connected)
}

// heard notes what a member, seen at teller, says about the addresses of another. It counts for
// less than what that peer says of itself.
func (r *roster) heard(teller netip.Addr, id peer.ID, addrs []multiaddr.Multiaddr, relays []peer.ID, capabilities []string) (news bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if id == r.self || len(addrs)+len(relays) == 0 {
		return false
	}
	site, e := limit.Address(teller), r.records[id]
	if e == nil {
		if !r.roomFor(site) {
			return false
		}
		e = r.entry(id)
		e.site, e.teller = site, teller
		r.named.add(e)
	}
	if e.connected {
		return false
	}
	if !e.known && len(capabilities) > 0 {
		e.capabilities = capabilities
	}
	news = e.says(site, addrs)
	if len(relays) > 0 && !slices.Equal(e.relays, relays) {
		e.relays, news = relays, true
	}
	if news {
		now := time.Now()
		if soon := e.tried.Add(redialLately); soon.Before(e.due) {
			e.due = soon
		}
		if e.standing(r) == hearsaid {
			e.backoff.Reset()
			e.due = now
		}
	}
	return news
}

// roomFor reports whether one more peer that a site names can be kept. When there are too many,
// the site that named most loses one, unless it is this. r.mu is held.
func (r *roster) roomFor(site netip.Prefix) bool {
	if r.named.all < maxCandidates {
		return true
	}
	largest := r.named.largest()
	if r.named.of[site]+1 >= r.named.of[largest] {
		return false
	}
	for id, e := range r.records {
		if e.pooled && e.site == largest && !e.dialing && !e.connected {
			r.named.remove(e)
			delete(r.records, id)
			return true
		}
	}
	return false
}

// dropCandidates drops peers that other members named and that never became members, and those that
// subscribed and had gone before that was noticed.
func (r *roster) dropCandidates(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, e := range r.records {
		kept := candidateTime
		if !e.pooled {
			kept = subscribedTime
		}
		if !e.known && !e.keep && !e.member() && !e.dialing && now.Sub(e.since) >= kept {
			r.named.remove(e)
			delete(r.records, id)
		}
	}
}
