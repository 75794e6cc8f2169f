package peer

import (
	"errors"
	"fmt"
	"net"
	"syscall"

	ipfslite "github.com/hsanjuan/ipfs-lite"
	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/network"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"github.com/libp2p/go-libp2p/p2p/net/connmgr"
	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// Bounds of connections. Members are protected from trimming; what is trimmed
// are strangers on the public network.
const (
	lowWater  = 400
	highWater = 800
)

func (p *Peer) openHost() error {
	limits, err := resources()
	if err != nil {
		return fmt.Errorf("resource limits: %w", err)
	}
	conns, err := connmgr.NewConnManager(lowWater, highWater)
	if err != nil {
		return errors.Join(err, limits.Close())
	}
	opts := []libp2p.Option{
		libp2p.ResourceManager(limits),
		libp2p.ConnectionManager(conns),
		libp2p.DisableRelay(),
		libp2p.DisableMetrics(), // its collectors are process-wide
		libp2p.UserAgent("distribution-ipfs"),
	}
	if len(p.cfg.Announce) > 0 {
		opts = append(opts, libp2p.AddrsFactory(func([]multiaddr.Multiaddr) []multiaddr.Multiaddr { return p.cfg.Announce }))
	}
	h, dht, err := ipfslite.SetupLibp2p(p.ctx, p.cfg.Key, p.cfg.PSK, p.cfg.Listen, nil, opts...)
	if err != nil {
		if taken := taken(p.cfg.Listen); taken != nil {
			return taken
		}
		return fmt.Errorf("listen: %w", err)
	}
	p.host, p.dht = h, dht
	return nil
}

// resources lifts libp2p's limits, whose defaults starve wide windows without a
// word: a registry moves gigabytes with few peers.
func resources() (network.ResourceManager, error) {
	scaling := rcmgr.DefaultLimits
	libp2p.SetDefaultServiceLimits(&scaling)
	wide := rcmgr.ResourceLimits{
		Memory: rcmgr.LimitVal64(4 << 30), Streams: 1 << 15, StreamsInbound: 1 << 14, StreamsOutbound: 1 << 14,
		Conns: 1 << 13, ConnsInbound: 1 << 12, ConnsOutbound: 1 << 12, FD: 1 << 13,
	}
	one := wide
	one.Memory, one.Streams, one.StreamsInbound, one.StreamsOutbound = 1<<30, 1<<12, 1<<11, 1<<11
	one.Conns, one.ConnsInbound, one.ConnsOutbound = 16, 8, 8
	protocol := wide
	cfg := rcmgr.PartialLimitConfig{System: wide, PeerDefault: one, ProtocolDefault: protocol, ProtocolPeerDefault: one}
	return rcmgr.NewResourceManager(rcmgr.NewFixedLimiter(cfg.Build(scaling.AutoScale())))
}

// taken finds the first TCP address that another process listens on. libp2p
// only says that none of its transports could listen.
func taken(addrs []multiaddr.Multiaddr) error {
	for _, a := range addrs {
		network, address, err := manet.DialArgs(a)
		if err != nil {
			continue
		}
		l, err := net.Listen(network, address)
		if err == nil {
			_ = l.Close()
			continue
		}
		if errors.Is(err, syscall.EADDRINUSE) {
			return fmt.Errorf("%s is in use by another process; stop it or listen on another port: %w", a, syscall.EADDRINUSE)
		}
		return fmt.Errorf("listen on %s: %w", a, err)
	}
	return nil
}
