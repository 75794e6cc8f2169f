package peer

import (
	"fmt"
	"math"
	"net/netip"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"github.com/libp2p/go-libp2p/x/rate"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/limit"
)

const (
	minNetworkMemory = 512 << 20
	// outsiderMemory is how many bytes that it has not read yet this peer keeps of one that is
	// no member: 256 KiB for each stream, libp2p's least window.
	outsiderMemory = 16 << 20
)

// newResourceManager bounds how much of this machine's resources the network may take: memory by
// libp2p's own means, connections and streams by those of guard. libp2p's own bounds know no
// members: they silently refuse the large stream windows that bulk transfers need, let eight
// connections in from one address, and 128 in all on a machine of 4 GiB. On the public network
// those of streams stay, since strangers are served there.
func newResourceManager(private bool, b *limit.Budget, rank func(peer.ID) limit.Rank, at func(netip.Prefix) limit.Rank) (network.ResourceManager, error) {
	mem := max(b.Machine.Memory/2, minNetworkMemory)
	unbounded := rcmgr.InfiniteLimits.ToPartialLimitConfig()
	limits := unbounded
	opts := []rcmgr.Option{rcmgr.WithMetricsDisabled()}
	base := rcmgr.DefaultLimits
	if private {
		anyNumber := func(bits int) []rcmgr.ConnLimitPerSubnet {
			return []rcmgr.ConnLimitPerSubnet{{PrefixLength: bits, ConnCount: math.MaxInt}}
		}
		opts = append(opts, rcmgr.WithLimitPerSubnet(anyNumber(32), anyNumber(56)), rcmgr.WithConnRateLimiters(&rate.Limiter{}))
	} else {
		limits = rcmgr.PartialLimitConfig{System: unbounded.System, Transient: unbounded.Transient}
		libp2p.SetDefaultServiceLimits(&base)
	}
	limits.System.Memory, limits.Transient.Memory = rcmgr.LimitVal64(mem), rcmgr.LimitVal64(mem/2)
	limiter := rcmgr.NewFixedLimiter(limits.Build(base.Scale(mem, b.Machine.Descriptors/2)))
	if private {
		limiter = outsiders{limiter, rank}
	}
	m, err := rcmgr.NewResourceManager(limiter, opts...)
	if err != nil {
		return nil, fmt.Errorf("resource limits: %w", err)
	}
	return newGuard(m, b, rank, at), nil
}

// outsiders bounds the memory of peers that are no members.
type outsiders struct {
	rcmgr.Limiter
	rank func(peer.ID) limit.Rank
}

// GetPeerLimits implements rcmgr.Limiter.
func (o outsiders) GetPeerLimits(id peer.ID) rcmgr.Limit {
	return outsider{o.Limiter.GetPeerLimits(id), func() bool { return o.rank(id) < limit.Member }}
}

type outsider struct {
	rcmgr.Limit
	is func() bool // now
}

// GetMemoryLimit implements rcmgr.Limit.
func (o outsider) GetMemoryLimit() int64 {
	if o.is() {
		return outsiderMemory
	}
	return o.Limit.GetMemoryLimit()
}
