package peer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ipfs/boxo/ipns"
	"github.com/libp2p/go-libp2p"
	dht "github.com/libp2p/go-libp2p-kad-dht"
	dualdht "github.com/libp2p/go-libp2p-kad-dht/dual"
	record "github.com/libp2p/go-libp2p-record"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/routing"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/net/connmgr"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	libp2ptls "github.com/libp2p/go-libp2p/p2p/security/tls"
	quic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/multiformats/go-multiaddr"
)

const (
	connsLow, connsHigh = 600, 900 // between these the connection manager trims; members are protected
	connsGrace          = time.Minute

	// keepAlive is the interval of yamux's keepalive, which finds a peer that vanished
	// without closing its connections. That takes about this long and yamux's write timeout
	// of 10 s.
	keepAlive = 10 * time.Second
)

// newHost makes the libp2p host and its DHT, which listen nowhere yet.
// ipfslite.SetupLibp2p does the same, but fixes the TCP transport's options. In a private network
// there is no DHT: members tell each other in hellos where others are, and a DHT would keep what
// anybody in the network puts there, and connect to whatever it is told of.
func (p *Peer) newHost() (host.Host, *dualdht.DHT, error) {
	cfg := p.cfg
	limits, err := newResourceManager(cfg.private(), cfg.Budget, p.rankAtTheDoor, p.roster.homes.rank)
	if err != nil {
		return nil, nil, err
	}
	conns, err := connmgr.NewConnManager(connsLow, connsHigh, connmgr.WithGracePeriod(connsGrace))
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("connection manager: %w", err), limits.Close())
	}
	var routes *dualdht.DHT
	opts := []libp2p.Option{
		libp2p.Identity(cfg.Key),
		libp2p.UserAgent("distribution-ipfs"),
		libp2p.ResourceManager(limits),
		libp2p.ConnectionManager(conns),
		libp2p.Security(libp2ptls.ID, newTLS), // the first is preferred
		libp2p.Security(noise.ID, noise.New),
		libp2p.Muxer(yamux.ID, muxer()),
		libp2p.BandwidthReporter(p.traffic),
		libp2p.DisableMetrics(), // several peers in one process would register twice
	}
	if !cfg.private() {
		opts = append(opts, libp2p.Routing(func(h host.Host) (routing.PeerRouting, error) {
			var err error
			routes, err = newDHT(p.ctx, h)
			return routes, err
		}))
	}
	roads, circuits := transports(cfg, p.mappings)
	opts = append(opts, roads...)
	if cfg.private() { // on the public network strangers are dialed for all kinds of reasons
		opts = append(opts, libp2p.ConnectionGater(gater{p.roster, p.mappings, p.unlisted}))
	}
	if len(cfg.Announce) > 0 {
		opts = append(opts, libp2p.AddrsFactory(func([]multiaddr.Multiaddr) []multiaddr.Multiaddr {
			return slices.Clone(cfg.Announce) // libp2p sorts what it is given
		}))
	}
	h, err := libp2p.New(append(opts, libp2p.NoListenAddrs)...)
	if err != nil {
		return nil, nil, fmt.Errorf("start host: %w", err)
	}
	if err := circuits(h); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("start host: circuits: %w", err), h.Close())
	}
	return h, routes, nil
}

// transports lists the ways to reach others. A protector key works over TCP and WebSocket
// only. What is left to do with the host that they make, circuits does.
func transports(cfg Config, dials *mappings) (opts []libp2p.Option, circuits func(host.Host) error) {
	private := []libp2p.Option{libp2p.DisableIdentifyAddressDiscovery(), libp2p.SwarmOpts(swarm.WithDialRanker(rankDials))}
	if cfg.NextPSK != nil {
		opts, circuits = twoKeys(cfg, dials)
		return append(opts, private...), circuits
	}
	circuits = func(host.Host) error { return nil } // libp2p does all of it
	opts = []libp2p.Option{
		libp2p.Transport(dials.newTCP),
		libp2p.Transport(newWebSocket),
	}
	if cfg.private() {
		opts = append(opts, libp2p.PrivateNetwork(cfg.PSK), libp2p.EnableRelay())
		return append(opts, private...), circuits
	}
	return append(opts, libp2p.Transport(quic.NewTransport), libp2p.EnableRelay(),
		libp2p.EnableHolePunching(), libp2p.NATPortMap(), libp2p.EnableNATService()), circuits
}

// maxWindow is how many bytes one stream may have on its way: a transfer has at most eight
// streams for leaves, and so 64 MiB in all. It must be the initial window, doubled a number
// of times: go-yamux v5.1.0 forgets to tell the sender of a part of the old window when it
// doubles one, and a stream stalls for good when the last step is less than a doubling.
const maxWindow = 8 << 20

// muxer is libp2p's yamux with a shorter keepalive. Its windows start at 256 KiB
// and grow by themselves where the round trip asks for it; starting higher would
// reserve that much for each of a few idle streams per member.
func muxer() *yamux.Transport {
	cfg := *yamux.DefaultTransport.Config()
	cfg.KeepAliveInterval = keepAlive
	cfg.MaxStreamWindowSize = maxWindow
	return (*yamux.Transport)(&cfg)
}

func newDHT(ctx context.Context, h host.Host) (*dualdht.DHT, error) {
	return dualdht.New(ctx, h,
		dualdht.DHTOption(dht.NamespacedValidator("pk", record.PublicKeyValidator{})),
		dualdht.DHTOption(dht.NamespacedValidator("ipns", ipns.Validator{KeyBook: h.Peerstore()})),
		dualdht.DHTOption(dht.Concurrency(10)),
		dualdht.DHTOption(dht.Mode(dht.ModeAuto)))
}

// listen opens all addresses or none. libp2p's own Listen succeeds when one of them opens,
// and hides why another one failed.
func listen(sw *swarm.Swarm, addrs []multiaddr.Multiaddr) error {
	for _, a := range addrs {
		if err := sw.AddListenAddr(a); err != nil {
			return &ListenError{Cause: fmt.Errorf("listen on %s: %w", a, err)}
		}
	}
	return nil
}

// ListenError reports that an address cannot be listened on.
type ListenError struct {
	Data  bool // the address is one of the data port
	Cause error
}

// Error implements error.
func (e *ListenError) Error() string { return e.Cause.Error() }

// Unwrap gives the cause.
func (e *ListenError) Unwrap() error { return e.Cause }
