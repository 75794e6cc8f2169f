package limit

import (
	"net/netip"
	"sync"

	"github.com/libp2p/go-libp2p/core/peer"
)

// Bounds are how many of one thing there may be at the same time. A number that is 0 bounds
// nothing, except in Reserved.
type Bounds struct {
	Total    int     // of all sources
	Reserved PerRank // of these, those that only this rank and higher ones may have
	Peer     PerRank // of one peer
	Address  PerRank // of all peers of one rank at one address
	Fair     bool    // of strangers, who has least of it comes first: see kept
}

// upTo is how many there may be of a rank and all lower ones together.
func (b Bounds) upTo(r Rank) int {
	most := b.Total
	for higher := r + 1; int(higher) < ranks; higher++ {
		most -= b.Reserved[higher]
	}
	return max(0, most)
}

// Bound counts one kind of thing by its sources. It is safe for concurrent use.
type Bound struct {
	what    What
	bounds  Bounds
	refused *refused

	mu    sync.Mutex
	peers map[peer.ID]*PerRank
	addrs map[netip.Prefix]*PerRank // and what is around them, if it is shared fairly
	all   PerRank
}

func newBound(what What, bounds Bounds, refused *refused) *Bound {
	return &Bound{
		what: what, bounds: bounds, refused: refused,
		peers: map[peer.ID]*PerRank{}, addrs: map[netip.Prefix]*PerRank{},
	}
}

// Enter counts one more thing. When it is refused, ok is false and leave does nothing. Otherwise
// leave ends it; it may be called again.
func (b *Bound) Enter(from Source) (leave func(), ok bool) {
	thing, ok := b.Admit(from)
	return thing.Leave, ok
}

// Admit is Enter for what may rise in rank while it lasts.
func (b *Bound) Admit(from Source) (*Thing, bool) {
	thing, ok := b.Reserve(from, 1)
	if !ok {
		b.refused.note(b.what, from)
	}
	return thing, ok
}

// Reserve is Admit for n things at once, all or none, that may do without: no refusal is counted.
func (b *Bound) Reserve(from Source, n int) (*Thing, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.fits(from, n) {
		return &Thing{left: true}, false
	}
	b.count(from, n)
	return &Thing{bound: b, from: from, n: n}, true
}

// Fits reports whether one more would be let in now: for who can make room first. Nothing is
// counted.
func (b *Bound) Fits(from Source) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.fits(from, 1)
}

// fits reports whether there may be n more. b.mu is held.
func (b *Bound) fits(from Source, n int) bool {
	if b.over(from, n) {
		return false
	}
	if most := b.bounds.Peer[from.Rank]; most > 0 && from.Peer != "" {
		has := 0
		if of := b.peers[from.Peer]; of != nil {
			has = of.sum(Trusted)
		}
		if has+n > most {
			return false
		}
	}
	if b.all.sum(from.Rank)+b.kept(from)+n > b.bounds.upTo(from.Rank) {
		return false
	}
	for r := from.Rank + 1; int(r) < ranks; r++ {
		if b.all.sum(r)+n > b.bounds.upTo(r) {
			return false
		}
	}
	return true
}

func (b *Bound) fair(from Source) bool { return b.bounds.Fair && from.Rank == Stranger }

// kept is how many are kept for others, who have fewer. b.mu is held.
func (b *Bound) kept(from Source) int {
	if !b.fair(from) {
		return 0
	}
	return int(kept(float64(b.bounds.upTo(Stranger)), from.Address, func(p netip.Prefix) float64 {
		if has := b.addrs[p]; has != nil {
			return float64(has[Stranger])
		}
		return 0
	}))
}

// over reports whether with n more an address has more than its peers of this rank may have. b.mu is
// held.
func (b *Bound) over(from Source, n int) bool {
	most := b.bounds.Address[from.Rank]
	if most == 0 || !from.Address.IsValid() {
		return false
	}
	has := b.addrs[from.Address]
	return n > most || has != nil && has[from.Rank]+n > most
}

// sum is how many there are up to a rank.
func (n *PerRank) sum(upTo Rank) (sum int) {
	for _, v := range n[:upTo+1] {
		sum += v
	}
	return sum
}

// count adds n things, or takes them away. b.mu is held.
func (b *Bound) count(from Source, n int) {
	b.all[from.Rank] += n
	if from.Peer != "" {
		add(b.peers, from.Peer, from.Rank, n)
	}
	if !from.Address.IsValid() {
		return
	}
	if !b.fair(from) {
		add(b.addrs, from.Address, from.Rank, n)
		return
	}
	for _, p := range around(from.Address) {
		add(b.addrs, p, from.Rank, n)
	}
}

func add[K comparable](to map[K]*PerRank, key K, r Rank, n int) {
	has := to[key]
	if has == nil {
		has = new(PerRank)
		to[key] = has
	}
	if has[r] += n; has.sum(Trusted) == 0 {
		delete(to, key)
	}
}

// Thing is what was let in at once. It is safe for concurrent use.
type Thing struct {
	bound *Bound
	n     int
	from  Source // guarded by bound.mu, as left is
	left  bool
}

// Leave ends it. It may be called again.
func (t *Thing) Leave() {
	if t.bound == nil {
		return
	}
	t.bound.mu.Lock()
	defer t.bound.mu.Unlock()
	if !t.left {
		t.left = true
		t.bound.count(t.from, -t.n)
	}
}

// Raise counts it for a higher rank from now on, which makes room in the lower one. It stays
// where it is when its address has as many of the higher rank as it may, and never sinks: what
// a peer was given as a member, it may still have when it ceases to be one.
func (t *Thing) Raise(to Rank) {
	if t.bound == nil {
		return
	}
	t.bound.mu.Lock()
	defer t.bound.mu.Unlock()
	raised := t.from
	raised.Rank = to
	if t.left || to <= t.from.Rank || t.bound.over(raised, t.n) {
		return
	}
	t.bound.count(t.from, -t.n)
	t.bound.count(raised, t.n)
	t.from = raised
}

// Len is how many things there are now.
func (b *Bound) Len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all.sum(Trusted)
}

// Short reports whether a peer of this rank could not have a few more, for want of what all
// peers of its rank and lower ones have together: those who take long should be cut.
func (b *Bound) Short(r Rank) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for ; int(r) < ranks; r++ {
		if most := b.bounds.upTo(r); b.all.sum(r) >= most-most/8 {
			return true
		}
	}
	return false
}
