package peer

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/ipfs/boxo/bitswap/network/bsnet"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
)

const (
	renewTime  = 5 * time.Second // for a dial
	renewEvery = time.Minute     // between two new connections to one peer, at least
	maxRenewed = 3               // peers in that time, at most
)

// renewals remembers the peers to which bitswap's watchdog has reconnected.
type renewals struct {
	mu sync.Mutex
	at map[peer.ID]time.Time
}

// due reports whether a peer may be reconnected now, and notes that it is.
func (r *renewals) due(id peer.ID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.at, func(_ peer.ID, at time.Time) bool { return time.Since(at) > renewEvery })
	if _, lately := r.at[id]; lately || len(r.at) >= maxRenewed {
		return false
	}
	if r.at == nil {
		r.at = map[peer.ID]time.Time{}
	}
	r.at[id] = time.Now()
	return true
}

// renew reconnects to a few of the peers that bitswap asks. It returns when that is done, or
// when ctx ends.
func (p *Peer) renew(ctx context.Context, ids []peer.ID) {
	var dialing sync.WaitGroup
	for _, id := range ids {
		if ctx.Err() != nil || !p.renewable(id) || !p.renewals.due(id) || !p.streams.enter() {
			continue
		}
		p.about(id).Debug("bitswap gets nothing: connecting anew")
		dialing.Go(func() {
			defer p.streams.running.Done()
			p.reconnect(id)
		})
	}
	done := make(chan struct{})
	go func() { dialing.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// renewable reports whether a peer speaks bitswap, is known to listen somewhere, and is
// not a registry that is about to become a member.
func (p *Peer) renewable(id peer.ID) bool {
	store := p.host.Peerstore()
	bitswap, err := store.SupportsProtocols(id, bsnet.ProtocolBitswap, bsnet.ProtocolBitswapOneOne,
		bsnet.ProtocolBitswapOneZero, bsnet.ProtocolBitswapNoVers)
	if err != nil || len(bitswap) == 0 || len(store.Addrs(id)) == 0 {
		return false
	}
	registry, err := store.SupportsProtocols(id, helloProtocol)
	return err == nil && (len(registry) == 0 || !p.justMet(id))
}

// justMet reports whether a peer may not have had time yet to be seen on the topic.
func (p *Peer) justMet(id peer.ID) bool {
	conns := p.host.Network().ConnsToPeer(id)
	return !slices.ContainsFunc(conns, func(c network.Conn) bool {
		return time.Since(c.Stat().Opened) > admitGrace
	})
}

// reconnect closes a peer's connections and dials it again. It goes on when the request that
// wanted it is gone, because nothing else would dial a peer whose connection was closed here.
func (p *Peer) reconnect(id peer.ID) {
	ctx, cancel := context.WithTimeout(p.ctx, renewTime)
	defer cancel()
	conns := p.host.Network().ConnsToPeer(id)
	if len(conns) == 0 {
		return
	}
	addrs := usefulTo(conns[0], p.host.Peerstore().Addrs(id))
	defer p.roster.visit(id, addrs)()
	_ = p.host.Network().ClosePeer(id)
	if err := p.host.Connect(ctx, peer.AddrInfo{ID: id, Addrs: addrs}); err != nil {
		p.about(id).WithError(err).Debug("cannot connect anew")
	}
}
