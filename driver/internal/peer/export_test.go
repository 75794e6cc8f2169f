package peer

import (
	"context"
	"time"

	"github.com/ipfs/boxo/bitswap"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/discovery"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
)

// ExpiresAfter reports whether a member that was last seen long ago, and without which
// this peer had run for a time, is forgotten after another time.
func ExpiresAfter(away, up, expiry time.Duration) bool {
	r, now := newRoster("self"), time.Now()
	r.recall("member", remembered{Seen: now.AddDate(-3, 0, 0), Away: away}, moment{Time: now}, now)
	r.begin(now)
	return len(r.expired(now.Add(up), expiry)) == 1
}

// KeepsMember reports whether connections to a peer are kept, as a member's, when the
// connection manager trims.
func (p *Peer) KeepsMember(id peer.ID) bool { return p.host.ConnManager().IsProtected(id, memberTag) }

// AdmitGrace is for how long a peer may be a registry that is just joining.
const AdmitGrace = admitGrace

// ReadCapabilities is what is taken of a list that a peer said.
var ReadCapabilities = readCapabilities

// SpeaksBitswap reports whether bitswap has started.
func (p *Peer) SpeaksBitswap() bool {
	p.lite.mu.Lock()
	defer p.lite.mu.Unlock()
	return p.lite.running != nil
}

// DiscoverMembers finds peers by the topic of the registries alone.
func DiscoverMembers(d discovery.Discovery, topic string) discovery.Discovery {
	return discoverMembers{d, topic + heartbeats}
}

// PublishHeartbeat sends members anything in place of a heartbeat.
func (p *Peer) PublishHeartbeat(data []byte) error { return p.topic.beats.Publish(p.ctx, data) }

// WantsOf are the wants of a peer that bitswap keeps.
func (p *Peer) WantsOf(id peer.ID) []cid.Cid {
	l, err := p.bitswap()
	if err != nil {
		return nil
	}
	b, ok := l.Exchange().(*bitswap.Bitswap)
	if !ok {
		panic("the exchange is not bitswap")
	}
	return b.WantlistForPeer(id)
}

// AdmitData reports whether a peer that has shown who it is at the data port is let in.
func (p *Peer) AdmitData(ctx context.Context, id peer.ID) error { return p.admitData(ctx, id) }

// ListenAlso has a peer listen at one more address.
func (p *Peer) ListenAlso(a multiaddr.Multiaddr) error {
	return listen(p.swarm, []multiaddr.Multiaddr{a})
}

// DialDataAt connects to a peer's data port wherever that is, member or not.
func (p *Peer) DialDataAt(ctx context.Context, id peer.ID, addrs ...multiaddr.Multiaddr) error {
	c, err := p.data.Dial(ctx, id, addrs)
	if err == nil {
		_ = c.SetReadDeadline(time.Now().Add(time.Minute))
		_, err = c.Read(make([]byte, 1)) // the other end has shaken hands by then
		_ = c.Close()
	}
	return err
}
