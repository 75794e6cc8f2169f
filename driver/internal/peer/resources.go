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

// newResourceManager bounds how much of this machine's resources the network may take: memory in
// all by libp2p's own means, and all by peer and rank by those of guard. libp2p's own bounds know no
// members: they silently refuse the large stream windows that bulk transfers need, let eight
// connections in from one address, and 128 in all on a machine of 4 GiB. On the public network
// those of streams stay, since strangers are served there.
func newResourceManager(private bool, b *limit.Budget, rank func(peer.ID) limit.Rank, at func(netip.Prefix) limit.Rank) (network.ResourceManager, error) {
	mem := b.Machine.Network()
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
	m, err := rcmgr.NewResourceManager(limiter, opts...)
	if err != nil {
		return nil, fmt.Errorf("resource limits: %w", err)
	}
	g := newGuard(m, b, rank, at)
	if private {
		g.windows = b.Bound(limit.Windows)
	}
	return g, nil
}
