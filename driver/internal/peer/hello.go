package peer

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
)

const (
	helloEvery   = 10 * time.Second // with one member at random
	helloTimeout = 10 * time.Second
)

// keepHello says hello to a random member now and then, to learn what was missed when members
// connected, and tidies the roster.
func (p *Peer) keepHello() {
	tick := time.NewTicker(helloEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-p.ctx.Done():
			return
		}
		p.tidy()
		if ids := p.Connected(); len(ids) > 0 {
			p.sayHello(ids[rand.IntN(len(ids))], true)
		}
	}
}

// sayHello tells a member about this peer and learns about the member, and with want also
// about the members that it is connected with.
func (p *Peer) sayHello(id peer.ID, want bool) {
	ctx, cancel := context.WithTimeout(p.ctx, helloTimeout)
	defer cancel()
	if err := p.exchange(ctx, id, want); err != nil && p.ctx.Err() == nil {
		p.about(id).WithError(err).Debug("a hello failed: it is tried again later")
	}
}

func (p *Peer) exchange(ctx context.Context, id peer.ID, want bool) error {
	s, err := p.Open(ctx, id, helloProtocol)
	if err != nil {
		return err
	}
	// A canceled context has to end reads and writes as well.
	defer context.AfterFunc(ctx, func() { _ = s.Reset() })()
	if err := writeHello(s, p.helloFor(s.Conn(), want, false)); err != nil {
		_ = s.Reset()
		return err
	}
	if err := s.CloseWrite(); err != nil {
		_ = s.Reset()
		return err
	}
	g, err := readHello(s)
	if err != nil {
		_ = s.Reset()
		return err
	}
	p.learn(s.Conn(), g)
	return s.Close()
}

// answerHello is the other end of exchange.
func (p *Peer) answerHello(s network.Stream) {
	defer context.AfterFunc(p.ctx, func() { _ = s.Reset() })()
	_ = s.SetDeadline(time.Now().Add(helloTimeout)) // cannot fail on a stream just opened
	g, err := readHello(s)
	if err == nil {
		p.learn(s.Conn(), g)
		err = writeHello(s, p.helloFor(s.Conn(), false, g.Want))
	}
	if err != nil {
		p.about(s.Conn().RemotePeer()).WithError(err).Debug("a hello is not answered")
		_ = s.Reset()
		return
	}
	_ = s.Close()
}

// helloFor is what the peer at the other end of c is told.
func (p *Peer) helloFor(c network.Conn, want, withMembers bool) hello {
	g := hello{
		Trust: p.trust, Self: formatAddrs(usefulTo(c, p.host.Addrs())),
		Data: formatAddrs(dataUsefulTo(c, p.DataAddrs())), Want: want,
		Name: p.cfg.Name, Caps: p.cfg.Capabilities, Beat: p.heartbeat(),
	}
	if !withMembers {
		return g
	}
	for _, m := range p.Members() {
		addrs := usefulTo(c, m.Addrs)
		if !m.Connected || len(addrs) == 0 || m.ID == c.RemotePeer() || len(g.Members) == maxGreetMembers {
			continue
		}
		g.Members = append(g.Members, helloMember{
			ID: m.ID.String(), Addrs: formatAddrs(addrs), Caps: p.cfg.known(m.Capabilities),
		})
	}
	return g
}

// learn puts what a member said into the roster.
func (p *Peer) learn(c network.Conn, g hello) {
	id := c.RemotePeer()
	addrs := usefulTo(c, parseAddrs(g.Self))
	if c.Stat().Direction == network.DirOutbound && !multiaddr.Contains(addrs, c.RemoteMultiaddr()) {
		// The member was reached there, whatever it says of its addresses.
		addrs = append([]multiaddr.Multiaddr{c.RemoteMultiaddr()}, addrs...)
	}
	changed, differs := p.roster.said(id, words{
		addrs: addrs, data: dataUsefulTo(c, parseAddrs(g.Data)), trust: g.Trust,
		name: readName(g.Name), capabilities: readCapabilities(g.Caps), beat: p.firstHand(id, g.Beat),
	}, p.trust)
	if differs {
		p.about(id).Warn("this member's list of trusted peers differs from this registry's: one of them may ignore changes that the other accepts; " +
			"make trustedpeers the same on all registries")
	}
	if changed {
		p.remember(p.ctx, id)
	}
	news := false
	for _, m := range g.Members {
		other, err := peer.Decode(m.ID)
		if err != nil || len(other) > 64 {
			continue
		}
		news = p.roster.heard(other, usefulTo(c, parseAddrs(m.Addrs)), readCapabilities(m.Caps)) || news
	}
	if news {
		p.wakeDialler()
	}
}
