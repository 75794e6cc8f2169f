package peer

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/libp2p/go-libp2p/core/peer"
)

// Lists say whom a peer trusts, and whom it lets in. They are not changed once they are in use:
// SetLists replaces them.
type Lists struct {
	Trusted []peer.ID // whose messages count; nil: those of all who are let in
	Allowed []peer.ID // who gets connections, beside those of Trusted and the peer itself; nil: everybody
}

// circle is Lists as they are asked. It never changes.
type circle struct {
	self             peer.ID
	trusted, allowed map[peer.ID]bool // nil: everybody
	revoked          map[peer.ID]bool // nobody among them is let in, whatever the lists say
	digest           string           // of trusted, compared with others'
}

// names reports whether Lists.Trusted has a peer.
func (c *circle) names(id peer.ID) bool { return c.trusted[id] }

func (c *circle) allows(id peer.ID) bool {
	return id == c.self || !c.revoked[id] && (c.allowed == nil || c.allowed[id] || c.trusted[id])
}

func (c *circle) trusts(id peer.ID) bool {
	return c.allows(id) && !c.revoked[id] && (c.trusted == nil || c.trusted[id])
}

// lists are the circle that counts now, which everybody asks each time. They are safe for concurrent
// use, and hold no lock.
type lists struct{ now atomic.Pointer[circle] }

func newLists(self peer.ID, l Lists) *lists {
	ls := &lists{}
	ls.set(self, l)
	return ls
}

// set replaces the lists, and returns the circles before and now. It is called by one at a time, as revoke is.
func (ls *lists) set(self peer.ID, l Lists) (before, now *circle) {
	now = &circle{self: self, trusted: idSet(l.Trusted), allowed: idSet(l.Allowed), digest: trustDigest(l.Trusted)}
	if before = ls.now.Load(); before != nil {
		now.revoked = before.revoked
	}
	return ls.now.Swap(now), now
}

// revoke replaces those that are revoked, and returns the circles before and now.
func (ls *lists) revoke(ids []peer.ID) (before, now *circle) {
	next := *ls.now.Load()
	next.revoked = idSet(ids)
	return ls.now.Swap(&next), &next
}

func (ls *lists) names(id peer.ID) bool   { return ls.now.Load().names(id) }
func (ls *lists) allows(id peer.ID) bool  { return ls.now.Load().allows(id) }
func (ls *lists) trusts(id peer.ID) bool  { return ls.now.Load().trusts(id) }
func (ls *lists) revokes(id peer.ID) bool { return ls.now.Load().revoked[id] }
func (ls *lists) digest() string          { return ls.now.Load().digest }

// Trusts reports whether a peer's messages count. The list applies to this peer itself as
// to any other. It is asked anew each time: the list changes.
func (p *Peer) Trusts(id peer.ID) bool { return p.roster.trusts(id) }

// TrustsOthers reports whether the messages of any other peer count.
func (p *Peer) TrustsOthers() bool {
	c := p.roster.lists.now.Load()
	if c.trusted == nil {
		return c.allowed == nil || hasOther(c.allowed, c.self)
	}
	return hasOther(c.trusted, c.self)
}

// Allows reports whether a peer gets connections.
func (p *Peer) Allows(id peer.ID) bool { return p.roster.lists.allows(id) }

func hasOther(ids map[peer.ID]bool, self peer.ID) bool {
	return len(ids) > 1 || len(ids) == 1 && !ids[self]
}

func idSet(ids []peer.ID) map[peer.ID]bool {
	if ids == nil {
		return nil
	}
	set := make(map[peer.ID]bool, len(ids))
	for _, id := range ids {
		set[id] = true
	}
	return set
}

// trustDigest names a list of trusted peers, whatever its order, without
// giving it away.
func trustDigest(ids []peer.ID) string {
	if ids == nil {
		return trustsAll
	}
	list := make([]string, 0, len(ids))
	for _, id := range ids {
		list = append(list, id.String())
	}
	slices.Sort(list)
	sum := sha256.Sum256([]byte(strings.Join(slices.Compact(list), "\n")))
	return hex.EncodeToString(sum[:])
}

const trustsAll = "*"
