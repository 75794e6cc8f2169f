package peer

import (
	"context"
	"fmt"
	"strings"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/discovery"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	drouting "github.com/libp2p/go-libp2p/p2p/discovery/routing"
	"github.com/sirupsen/logrus"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/limit"
)

// MaxMessage is the largest message that can be published, in bytes, signature
// and envelope included; and whatever else pubsub sends at once.
const MaxMessage = 256 << 10

const (
	messageQueue = 1024 // messages that wait for OnMessage's function
	peerQueue    = 256  // messages that wait for one slow peer

	// seenTime is how long pubsub knows which messages it has seen: members tell each other of
	// those of the last three seconds.
	seenTime = 30 * time.Second
)

// heartbeats is the name of the topic of heartbeats, behind that of the registries' own.
const heartbeats = "/heartbeats"

// topic is the pubsub topic of the registries, and that of their heartbeats.
type topic struct {
	stop   context.CancelFunc
	topic  *pubsub.Topic
	events *pubsub.TopicEventHandler
	sub    *pubsub.Subscription // set by subscribe
	beats  *pubsub.Topic
	unbeat pubsub.RelayCancelFunc // set by subscribe
}

// join starts pubsub, which checks signatures and passes a message on to other peers only if
// its author is trusted.
func (p *Peer) join() (*topic, error) {
	opts := []pubsub.Option{
		pubsub.WithMessageSignaturePolicy(pubsub.StrictSign),
		pubsub.WithFloodPublish(true), // messages are small, latency is what counts
		pubsub.WithMaxMessageSize(MaxMessage),
		pubsub.WithPeerOutboundQueueSize(peerQueue),
		pubsub.WithValidateQueueSize(peerQueue),
		pubsub.WithSubscriptionFilter(pubsub.NewAllowlistSubscriptionFilter(p.cfg.Topic, p.cfg.Topic+heartbeats)),
		pubsub.WithAppSpecificRpcInspector(p.inspect),
		pubsub.WithSeenMessagesTTL(seenTime),
		pubsub.WithGossipSubParams(gossipParams()),
	}
	if !p.cfg.private() {
		opts = append(opts, pubsub.WithDiscovery(discoverMembers{drouting.NewRoutingDiscovery(p.routes), p.cfg.Topic + heartbeats}))
	}
	ctx, stop := context.WithCancel(context.Background())
	t := &topic{stop: stop}
	refused := func(s network.Stream) { p.cfg.Budget.Refuse(limit.RPCs, p.Source(s.Conn().RemotePeer())) }
	ps, err := pubsub.NewGossipSub(ctx, guardedHost{p.host, refused}, opts...)
	if err == nil {
		err = ps.RegisterTopicValidator(p.cfg.Topic, p.validate, pubsub.WithValidatorInline(true))
	}
	if err == nil {
		err = ps.RegisterTopicValidator(p.cfg.Topic+heartbeats, p.validateBeat, pubsub.WithValidatorInline(true))
	}
	if err == nil {
		t.topic, err = ps.Join(p.cfg.Topic)
	}
	if err == nil {
		t.beats, err = ps.Join(p.cfg.Topic + heartbeats)
	}
	if err == nil {
		t.events, err = t.topic.EventHandler()
	}
	if err != nil {
		stop()
		return nil, err
	}
	return t, nil
}

// gossipParams are gossipsub's, except that a member tells Dlazy others each second which messages it has
// seen, however many members there are. By its own factor it would tell a quarter of all, which of 200
// members took more bytes than all else together (docs/scale.md); and hardly anybody lacks what its author
// sends to all.
func gossipParams() pubsub.GossipSubParams {
	params := pubsub.DefaultGossipSubParams()
	params.GossipFactor = 0
	return params
}

func (t *topic) subscribe() (err error) {
	if t.sub, err = t.topic.Subscribe(pubsub.WithBufferSize(messageQueue)); err != nil {
		return err
	}
	t.unbeat, err = t.beats.Relay() // validateBeat takes heartbeats: there is nothing to read
	return err
}

// leave ends pubsub, which has no Close of its own.
func (t *topic) leave() {
	if t.sub != nil {
		t.sub.Cancel()
	}
	if t.unbeat != nil {
		t.unbeat()
	}
	t.events.Cancel()
	t.stop()
}

// validate judges a message by its author, whose signature was checked, never by the peer
// that passed it on. Our own messages are let through: other registries decide whether this
// one is trusted.
func (p *Peer) validate(_ context.Context, _ peer.ID, m *pubsub.Message) pubsub.ValidationResult {
	from := m.GetFrom()
	if from == p.ID() || p.Trusts(from) {
		return pubsub.ValidationAccept
	}
	if p.once.first("untrusted", from.String()) {
		p.log.WithField("peer", from).Info("changes published by this peer are ignored: it is not among the trusted peers")
	}
	return pubsub.ValidationIgnore
}

// readTopic hands messages on, one at a time.
func (p *Peer) readTopic() {
	for {
		m, err := p.topic.sub.Next(p.ctx)
		if err != nil {
			return
		}
		if from := m.GetFrom(); from != p.ID() && p.onMessage != nil {
			p.onMessage(from, m.Data)
		}
	}
}

// Publish sends a message to all members, at most MaxMessage bytes. It does not wait for
// them: a member that is not reachable now does not get the message.
func (p *Peer) Publish(ctx context.Context, data []byte) error {
	if err := p.topic.topic.Publish(ctx, data); err != nil {
		return fmt.Errorf("publish %d bytes: %w", len(data), err)
	}
	return nil
}

// discoverMembers finds peers by the registries' own topic only: those of the heartbeats' are
// the same.
type discoverMembers struct {
	discovery.Discovery
	heartbeats string
}

func (d discoverMembers) Advertise(ctx context.Context, ns string, opts ...discovery.Option) (time.Duration, error) {
	if strings.HasSuffix(ns, d.heartbeats) {
		return 24 * time.Hour, nil
	}
	return d.Discovery.Advertise(ctx, ns, opts...)
}

func (d discoverMembers) FindPeers(ctx context.Context, ns string, opts ...discovery.Option) (<-chan peer.AddrInfo, error) {
	if strings.HasSuffix(ns, d.heartbeats) {
		none := make(chan peer.AddrInfo)
		close(none)
		return none, nil
	}
	return d.Discovery.FindPeers(ctx, ns, opts...)
}

func (p *Peer) about(id peer.ID) *logrus.Entry { return p.log.WithField("peer", id) }
