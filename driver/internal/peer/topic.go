package peer

import (
	"context"
	"fmt"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/peer"
	drouting "github.com/libp2p/go-libp2p/p2p/discovery/routing"
	"github.com/sirupsen/logrus"
)

// MaxMessage is the largest message that can be published, in bytes, signature
// and envelope included.
const MaxMessage = 1 << 20

const (
	messageQueue = 1024 // messages that wait for OnMessage's function
	peerQueue    = 256  // messages that wait for one slow peer
)

// topic is the one pubsub topic of the registries.
type topic struct {
	stop   context.CancelFunc
	topic  *pubsub.Topic
	events *pubsub.TopicEventHandler
	sub    *pubsub.Subscription // set by subscribe
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
	}
	if !p.cfg.private() {
		opts = append(opts, pubsub.WithDiscovery(drouting.NewRoutingDiscovery(p.routes)))
	}
	ctx, stop := context.WithCancel(context.Background())
	t := &topic{stop: stop}
	ps, err := pubsub.NewGossipSub(ctx, p.host, opts...)
	if err == nil {
		err = ps.RegisterTopicValidator(p.cfg.Topic, p.validate, pubsub.WithValidatorInline(true))
	}
	if err == nil {
		t.topic, err = ps.Join(p.cfg.Topic)
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

func (t *topic) subscribe() (err error) {
	t.sub, err = t.topic.Subscribe(pubsub.WithBufferSize(messageQueue))
	return err
}

// leave ends pubsub, which has no Close of its own.
func (t *topic) leave() {
	if t.sub != nil {
		t.sub.Cancel()
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

func (p *Peer) about(id peer.ID) *logrus.Entry { return p.log.WithField("peer", id) }
