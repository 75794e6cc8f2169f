package peer

import (
	"maps"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
)

// topicProtocols is how the names of pubsub's protocols begin.
const topicProtocols = "/meshsub/"

// moveTopics has pubsub talk with members over what leads straight to them, once there is that as well as a relay: it stays
// with the connection that it began with, and would take the member for unsubscribed when the relay goes. One of the two
// does so for both, and once for each connection: pubsub gives up a peer whose streams end again and again. moved are those
// for which it did.
func (p *Peer) moveTopics(moved map[peer.ID]string) {
	for _, id := range p.Connected() {
		straight := p.straight(id)
		switch {
		case straight == "" || !p.relaysTopic(id):
			p.closeRelayed(id)
		case p.ID() < id && moved[id] != straight:
			p.about(id).Debug("the topic moves to the connection that leads straight to the registry")
			moved[id] = straight
			p.restartTopic(id)
		}
	}
	maps.DeleteFunc(moved, func(id peer.ID, _ string) bool { return !p.isConnected(id) })
}

// straight names a connection that leads straight to a peer, and that has been there for so long that the other end has it, too;
// "": there is none.
func (p *Peer) straight(id peer.ID) string {
	for _, c := range p.host.Network().ConnsToPeer(id) {
		if relayOf(c.RemoteMultiaddr()) == "" && time.Since(c.Stat().Opened) > straightenEvery {
			return c.ID()
		}
	}
	return ""
}

// closeRelayed closes connections by way of others that nothing uses any more, where another one leads straight.
func (p *Peer) closeRelayed(id peer.ID) {
	if p.Relayed(id) {
		return
	}
	for _, c := range p.host.Network().ConnsToPeer(id) {
		if relayOf(c.RemoteMultiaddr()) != "" && len(c.GetStreams()) == 0 {
			_ = c.Close() // what is being opened there begins anew
		}
	}
}

// relaysTopic reports whether pubsub talks with a member over a relay.
func (p *Peer) relaysTopic(id peer.ID) (relayed bool) {
	p.eachTopicStream(id, func(s network.Stream) { relayed = relayed || relayOf(s.Conn().RemoteMultiaddr()) != "" })
	return relayed
}

// restartTopic ends both directions of what pubsub says to a member and hears of it, and so has both ends begin anew and say to what
// they are subscribed. Were only one ended, the other end would forget this peer's subscriptions and not be told again.
func (p *Peer) restartTopic(id peer.ID) {
	p.eachTopicStream(id, func(s network.Stream) { _ = s.Reset() })
}

func (p *Peer) eachTopicStream(id peer.ID, f func(network.Stream)) {
	for _, c := range p.host.Network().ConnsToPeer(id) {
		for _, s := range c.GetStreams() {
			if strings.HasPrefix(string(s.Protocol()), topicProtocols) {
				f(s)
			}
		}
	}
}
