package peer

import (
	"context"
	"fmt"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/peer"
)

// openTopic joins the topic. A message counts when it is signed, which is
// pubsub's default, by a trusted peer; others are not even passed on.
func (p *Peer) openTopic() error {
	ps, err := pubsub.NewGossipSub(p.ctx, p.host, pubsub.WithFloodPublish(true))
	if err != nil {
		return fmt.Errorf("start pubsub: %w", err)
	}
	valid := func(_ context.Context, _ peer.ID, msg *pubsub.Message) bool { return p.Trusts(msg.GetFrom()) }
	if err := ps.RegisterTopicValidator(p.cfg.Topic, valid); err != nil {
		return fmt.Errorf("validate topic %s: %w", p.cfg.Topic, err)
	}
	if p.topic, err = ps.Join(p.cfg.Topic); err != nil {
		return fmt.Errorf("join topic %s: %w", p.cfg.Topic, err)
	}
	if p.sub, err = p.topic.Subscribe(); err != nil {
		return fmt.Errorf("subscribe to topic %s: %w", p.cfg.Topic, err)
	}
	p.pubsub = ps
	return nil
}

// Publish sends a message of at most 1 MiB to the topic. It does not wait for
// anybody to receive it.
func (p *Peer) Publish(ctx context.Context, data []byte) error {
	if err := p.topic.Publish(ctx, data); err != nil {
		return fmt.Errorf("publish on topic %s: %w", p.cfg.Topic, err)
	}
	return nil
}

func (p *Peer) readTopic() {
	for {
		msg, err := p.sub.Next(p.ctx)
		if err != nil {
			return // closing
		}
		if from := msg.GetFrom(); from != p.host.ID() {
			p.onMessage(from, msg.GetData())
		}
	}
}

// followMembers keeps the table of members as pubsub sees them come and go.
func (p *Peer) followMembers(events *pubsub.TopicEventHandler) {
	defer events.Cancel()
	for {
		e, err := events.NextPeerEvent(p.ctx)
		if err != nil {
			return // closing
		}
		if e.Type == pubsub.PeerJoin {
			p.joined(e.Peer)
			continue
		}
		p.host.ConnManager().Unprotect(e.Peer, protectTag)
		p.members.setConnected(e.Peer, false)
		p.log.WithField("peer", e.Peer).Info("member lost")
	}
}

const protectTag = "member"

func (p *Peer) joined(id peer.ID) {
	p.host.ConnManager().Protect(id, protectTag)
	p.members.setAddrs(id, p.host.Peerstore().Addrs(id))
	p.members.setConnected(id, true)
	p.log.WithField("peer", id).Info("member connected")
	p.onMember(id)
	p.wg.Go(func() { p.exchangeWith(id) })
}
