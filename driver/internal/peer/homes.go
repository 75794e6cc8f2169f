package peer

import (
	"net/netip"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/limit"
)

const maxHomes = 4096

// homes are addresses at which members are known to be: those of bootstrappers, and those at
// which members were connected that were of use. At the door, where nothing but its address is
// known of anybody, who comes from there has a share of its own, which no stranger elsewhere can
// take. Those that were not used for longest are forgotten. They are safe for concurrent use.
type homes struct {
	of *lru.Cache[netip.Prefix, struct{}]
}

func newHomes() homes {
	of, _ := lru.New[netip.Prefix, struct{}](maxHomes) // it fails only when the size is not positive
	return homes{of}
}

func (h homes) add(site netip.Prefix) {
	if site.IsValid() {
		h.of.Add(site, struct{}{})
	}
}

// rank is by which those are counted who come from an address.
func (h homes) rank(address netip.Prefix) limit.Rank {
	if _, ok := h.of.Get(address); ok {
		return limit.Member
	}
	return limit.Stranger
}
