package peer

import (
	"context"
	"fmt"
	"sync"

	ipfslite "github.com/hsanjuan/ipfs-lite"
	"github.com/ipfs/boxo/bitswap/network/bsnet"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"
)

var bitswapProtocols = []protocol.ID{
	bsnet.ProtocolBitswap, bsnet.ProtocolBitswapOneOne, bsnet.ProtocolBitswapOneZero, bsnet.ProtocolBitswapNoVers,
}

// lite is IPFS-Lite, for its bitswap. It starts when another peer opens a stream of bitswap,
// or when this one first wants a block: members need neither, and bitswap wakes ten times a
// second also when nobody uses it. It runs until the peer is closed.
type lite struct {
	mu       sync.Mutex
	closed   bool
	running  *ipfslite.Peer // nil: not yet
	stop     context.CancelFunc
	handlers map[protocol.ID]network.StreamHandler
}

// offerBitswap lets other peers know that this one speaks bitswap.
func (p *Peer) offerBitswap() {
	for _, proto := range bitswapProtocols {
		p.host.SetStreamHandler(proto, func(s network.Stream) {
			if _, err := p.bitswap(); err != nil {
				_ = s.Reset()
				return
			}
			p.lite.handlers[proto](s)
		})
	}
}

// bitswap returns IPFS-Lite, which it starts if it does not run.
func (p *Peer) bitswap() (*ipfslite.Peer, error) {
	l := &p.lite
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, fmt.Errorf("start ipfs-lite: %w", context.Canceled)
	}
	if l.running != nil {
		return l.running, nil
	}
	l.handlers = map[protocol.ID]network.StreamHandler{}
	ctx, stop := context.WithCancel(context.Background())
	// Without a reprovider it needs no routing.
	started, err := ipfslite.New(ctx, p.cfg.Store, p.cfg.Blocks, lateHost{p.host, l.handlers, p.sift}, nil, &ipfslite.Config{
		UncachedBlockstore: true, // the blockstore changes without a cache's knowledge
		ReprovideInterval:  -1,   // bitswap asks only connected peers for blocks
	})
	if err != nil {
		stop()
		return nil, fmt.Errorf("start ipfs-lite: %w", err)
	}
	l.running, l.stop = started, stop
	return started, nil
}

func (l *lite) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	if l.running == nil {
		return nil
	}
	err := l.running.BlockService().Close()
	l.stop()
	return err
}

// lateHost is the host as bitswap may use it, which notices only peers that connect after its
// start: it is told of those that are connected already. handlers gets what it handles
// streams with, of which it sees what sift leaves.
type lateHost struct {
	host.Host
	handlers map[protocol.ID]network.StreamHandler
	sift     func(network.Stream) network.Stream
}

func (h lateHost) SetStreamHandler(proto protocol.ID, f network.StreamHandler) {
	sifted := func(s network.Stream) { f(h.sift(s)) }
	h.handlers[proto] = sifted
	h.Host.SetStreamHandler(proto, sifted)
}

func (h lateHost) Network() network.Network { return lateNetwork{h.Host.Network()} }

type lateNetwork struct{ network.Network }

func (n lateNetwork) Notify(f network.Notifiee) {
	n.Network.Notify(f)
	for _, c := range n.Conns() {
		f.Connected(n, c)
		if c.IsClosed() {
			f.Disconnected(n, c) // it may have been told that before
		}
	}
}
