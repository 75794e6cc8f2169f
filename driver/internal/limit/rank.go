package limit

import (
	"fmt"
	"net/netip"

	"github.com/libp2p/go-libp2p/core/peer"
)

// Rank is how far a peer has shown who it is. Where there is too little of anything, a lower
// rank never takes what is reserved for a higher one.
type Rank uint8

// The ranks, from the lowest up.
const (
	Stranger  Rank = iota // a socket, or a peer of which nothing is known
	Connected             // it is connected, so that it has the protector key, but is no member
	Member                // it is on the topic
	Trusted               // likewise, and trustedpeers names it, or everybody

	ranks = iota
)

// String is the label of metrics.
func (r Rank) String() string {
	switch r {
	case Stranger:
		return "stranger"
	case Connected:
		return "connected"
	case Member:
		return "member"
	case Trusted:
		return "trusted"
	}
	return fmt.Sprintf("Rank(%d)", uint8(r))
}

// Ranks are all of them, from the lowest up.
func Ranks() []Rank { return []Rank{Stranger, Connected, Member, Trusted} }

// PerRank is a number for each rank:
//
//	limit.PerRank{limit.Member: 16, limit.Trusted: 64}
type PerRank [ranks]int

// Each is the same number for all ranks.
func Each(n int) PerRank { return PerRank{n, n, n, n} }

// Source is where something comes from. What is not known is left out, and is not bounded.
type Source struct {
	Peer    peer.ID
	Address netip.Prefix // an Address
	Rank    Rank
}

// Address is the prefix that an IP address counts towards: of IPv6 its /64, which is the least
// that a site has. It is the zero Prefix for an address that is none.
func Address(ip netip.Addr) netip.Prefix {
	ip = ip.Unmap().WithZone("")
	bits := 64
	if ip.Is4() {
		bits = 32
	}
	src, err := ip.Prefix(bits)
	if err != nil { // not an address at all
		return netip.Prefix{}
	}
	return src
}
