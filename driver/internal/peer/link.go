package peer

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/protocol/ping"
	"github.com/multiformats/go-multiaddr"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/limit"
)

// maxAgent is how much is shown of what a peer calls its program, in bytes.
const maxAgent = 64

// Link is how this peer and another one, member or not, are connected.
type Link struct {
	ID     peer.ID
	Rank   limit.Rank
	Opened time.Time // the oldest of its connections
	Dialed bool      // by this peer; else the other one did
	Addr   string    // multiaddr of the other end, of the connection that AddrInUse names
	Road   Road
	Relay  peer.ID // by way of which; "": it is reached straight
	Agent  string  // what it calls its program; "": it did not say
	// Bytes to and from it, over streams and data ports, since this peer was made: or, when over
	// 4,096 others had any since, from then on.
	In, Out int64
}

// Road is the transport of a connection.
type Road string

// These are the roads.
const (
	RoadTCP       Road = "tcp"
	RoadQUIC      Road = "quic"
	RoadWebSocket Road = "websocket"
	RoadRelay     Road = "relay" // through another peer
	RoadOther     Road = "other"
)

func roadOf(a multiaddr.Multiaddr) Road {
	road := RoadOther
	multiaddr.ForEach(a, func(c multiaddr.Component) bool {
		switch c.Protocol().Code {
		case multiaddr.P_CIRCUIT:
			road = RoadRelay
		case multiaddr.P_QUIC_V1:
			road = RoadQUIC
		case multiaddr.P_WS, multiaddr.P_WSS:
			road = RoadWebSocket
		case multiaddr.P_TCP:
			road = RoadTCP
		}
		return road != RoadRelay
	})
	return road
}

// Links are those to all peers that are connected now, sorted by ID.
func (p *Peer) Links() []Link {
	all := []Link{}
	for _, id := range p.host.Network().Peers() {
		if c := p.connInUse(id); c != nil {
			all = append(all, p.link(id, c))
		}
	}
	slices.SortFunc(all, func(a, b Link) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

func (p *Peer) link(id peer.ID, c network.Conn) Link {
	sum := p.traffic.GetBandwidthForPeer(id)
	l := Link{
		ID: id, Rank: p.Rank(id), Opened: c.Stat().Opened, Dialed: c.Stat().Direction == network.DirOutbound,
		Addr: c.RemoteMultiaddr().String(), Road: roadOf(c.RemoteMultiaddr()), Relay: relayOf(c.RemoteMultiaddr()), In: sum.TotalIn, Out: sum.TotalOut,
	}
	for _, o := range p.host.Network().ConnsToPeer(id) {
		if at := o.Stat().Opened; at.Before(l.Opened) {
			l.Opened = at
		}
	}
	if said, err := p.host.Peerstore().Get(id, "AgentVersion"); err == nil {
		if text, ok := said.(string); ok {
			l.Agent = readName(text[:min(len(text), maxAgent)])
		}
	}
	return l
}

// connInUse is the connection to a peer that AddrInUse names; nil when there is none.
func (p *Peer) connInUse(id peer.ID) network.Conn {
	conns := p.host.Network().ConnsToPeer(id)
	if len(conns) == 0 {
		return nil
	}
	relayed := func(c network.Conn) int { return min(1, len(relayOf(c.RemoteMultiaddr()))) }
	accepted := func(c network.Conn) int {
		if c.Stat().Direction == network.DirOutbound {
			return 0
		}
		return 1
	}
	return slices.MinFunc(conns, func(a, b network.Conn) int {
		return cmp.Or(cmp.Compare(relayed(a), relayed(b)), cmp.Compare(accepted(a), accepted(b)), a.Stat().Opened.Compare(b.Stat().Opened))
	})
}

// RoundTrip is how long a peer that is connected takes to answer a ping of libp2p, bounded by ctx.
func (p *Peer) RoundTrip(ctx context.Context, id peer.ID) (time.Duration, error) {
	ctx, cancel := context.WithCancel(network.WithNoDial(ctx, "a sign of life of who is connected"))
	defer cancel()
	pong, ok := <-ping.Ping(ctx, p.host, id)
	if !ok {
		return 0, ctx.Err()
	}
	return pong.RTT, pong.Error
}
