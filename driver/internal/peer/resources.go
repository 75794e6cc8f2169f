package peer

import (
	"fmt"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/network"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"github.com/libp2p/go-libp2p/x/rate"
	"github.com/pbnjay/memory"
)

const (
	connsPerAddress  = 1024 // registries behind one NAT address, each with a few connections
	connsPerSecond   = 200  // accepted in the long run, from everywhere
	connsAtOnce      = 2000 // accepted in a burst: all members redial after a partition
	minNetworkMemory = 256 << 20
)

// newResourceManager bounds how much of this machine's resources the network may take.
// libp2p's own bounds silently refuse the large stream windows that bulk transfers need,
// and let eight connections in from one address. Strangers are bounded by the system limit
// (a quarter of the memory) and, before they authenticate, by the transient scope; members
// have no limits of their own.
func newResourceManager(private bool) (network.ResourceManager, error) {
	base := rcmgr.DefaultLimits
	libp2p.SetDefaultServiceLimits(&base)
	auto := base.AutoScale()
	descriptors := int(auto.ToPartialLimitConfig().System.FD)
	mem := int64(max(memory.TotalMemory()/4, minNetworkMemory))

	var limits rcmgr.PartialLimitConfig
	limits.System.Memory = rcmgr.LimitVal64(mem)
	limits.System.Conns = rcmgr.Unlimited
	limits.Transient.Memory = rcmgr.LimitVal64(mem / 4)
	if private {
		unbounded := rcmgr.InfiniteLimits.ToPartialLimitConfig()
		limits.ServiceDefault = unbounded.ServiceDefault
		limits.ServicePeerDefault = unbounded.ServicePeerDefault
		limits.ProtocolDefault = unbounded.ProtocolDefault
		limits.ProtocolPeerDefault = unbounded.ProtocolPeerDefault
		limits.PeerDefault = unbounded.PeerDefault
		limits.Conn = unbounded.Conn
		limits.Stream = unbounded.Stream
	}
	opts := []rcmgr.Option{rcmgr.WithMetricsDisabled()}
	if private {
		opts = append(opts,
			rcmgr.WithLimitPerSubnet(
				[]rcmgr.ConnLimitPerSubnet{{PrefixLength: 32, ConnCount: connsPerAddress}},
				[]rcmgr.ConnLimitPerSubnet{{PrefixLength: 56, ConnCount: connsPerAddress}}),
			rcmgr.WithConnRateLimiters(&rate.Limiter{
				GlobalLimit: rate.Limit{RPS: connsPerSecond, Burst: connsAtOnce},
			}))
	}
	limiter := rcmgr.NewFixedLimiter(limits.Build(base.Scale(mem, descriptors)))
	m, err := rcmgr.NewResourceManager(limiter, opts...)
	if err != nil {
		return nil, fmt.Errorf("resource limits: %w", err)
	}
	return m, nil
}
