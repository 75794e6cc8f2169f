package peer

import (
	"errors"
	"fmt"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/host/eventbus"
)

// connectionEvents is how many events may wait for the watcher before libp2p has to wait.
const connectionEvents = 1024

// watch returns the goroutine that keeps the roster in step with the network.
func (p *Peer) watch() (func(), error) {
	conns, err := p.host.EventBus().Subscribe(new(event.EvtPeerConnectednessChanged), eventbus.BufSize(connectionEvents))
	if err != nil {
		return nil, fmt.Errorf("watch connections: %w", err)
	}
	identified, err := p.host.EventBus().Subscribe(new(event.EvtPeerIdentificationCompleted), eventbus.BufSize(connectionEvents))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("watch connections: %w", err), conns.Close())
	}
	onTopic := make(chan pubsub.PeerEvent)
	p.run(func() { p.watchTopic(onTopic) })
	return func() {
		defer func() { _, _ = conns.Close(), identified.Close() }()
		for {
			select {
			case ev, ok := <-conns.Out():
				if !ok {
					return
				}
				if ev, ok := ev.(event.EvtPeerConnectednessChanged); ok {
					p.closeUnlisted(ev.Peer, ev.Connectedness)
					if ev.Connectedness == network.NotConnected {
						p.reserved.lost(ev.Peer)
						p.mappings.lost(ev.Peer)
						p.punching.lost(ev.Peer)
					}
					joined, left := p.roster.connected(ev.Peer, ev.Connectedness == network.Connected)
					p.noteChange(ev.Peer, joined, left)
				}
			case ev, ok := <-identified.Out():
				if !ok {
					return
				}
				if ev, ok := ev.(event.EvtPeerIdentificationCompleted); ok {
					p.lookAtSelf(ev)
				}
			case ev := <-onTopic:
				joined, left := p.roster.subscribed(ev.Peer, ev.Type == pubsub.PeerJoin, p.isConnected(ev.Peer))
				p.noteChange(ev.Peer, joined, left)
			case <-p.ctx.Done():
				return
			}
		}
	}, nil
}

func (p *Peer) watchTopic(out chan<- pubsub.PeerEvent) {
	for {
		ev, err := p.topic.events.NextPeerEvent(p.ctx)
		if err != nil {
			return
		}
		select {
		case out <- ev:
		case <-p.ctx.Done():
			return
		}
	}
}

func (p *Peer) isConnected(id peer.ID) bool {
	return p.host.Network().Connectedness(id) == network.Connected
}

// noteChange tells the rest of the peer about a member that came or went.
func (p *Peer) noteChange(id peer.ID, joined, left bool) {
	p.wakeDialler()
	switch {
	case joined:
		p.raise(id)
		p.roster.seenAt(id, p.remoteAddr(id))
		p.host.ConnManager().Protect(id, memberTag)
		p.logChange(id, "registry connected")
		if p.onMember != nil {
			p.onMember(id)
		}
		p.greet(id)
		p.reserved.wakeUp()
	case left:
		p.logChange(id, "registry disconnected")
	}
}

// memberTag keeps the connection manager from trimming members.
const memberTag = "member"
