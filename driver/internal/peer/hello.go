package peer

import (
	"context"
	"errors"
	"iter"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
	"golang.org/x/time/rate"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/limit"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer/hearsay"
)

const (
	helloEvery   = 10 * time.Second // with one member at random
	helloTimeout = 10 * time.Second

	helloGap  = time.Second // in the long run, between the hellos of one member that are answered
	maxHellos = 8           // of one member in a row
	maxPulls  = 8           // lists of members that are asked for in a row
)

// pulls bound how often members that have just appeared are asked for the members that they know:
// many may appear at once. Those of the configuration are asked whoever else appears.
type pulls struct{ chosen, others *rate.Limiter }

func newPulls() pulls {
	limiter := func() *rate.Limiter { return rate.NewLimiter(rate.Every(time.Second), maxPulls) }
	return pulls{limiter(), limiter()}
}

func (p pulls) allow(chosen bool) bool {
	if chosen {
		return p.chosen.Allow()
	}
	return p.others.Allow()
}

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
	if err := writeHello(s, p.helloFor(s.Conn(), want), nobody); err != nil {
		_ = s.Reset()
		return err
	}
	if err := s.CloseWrite(); err != nil {
		_ = s.Reset()
		return err
	}
	most := helloAlone
	if want {
		most = helloWithNames
	}
	err = p.readHello(s, most)
	if err != nil {
		_ = s.Reset()
		return err
	}
	return s.Close()
}

// answerHello is the other end of exchange.
func (p *Peer) answerHello(s network.Stream) {
	defer context.AfterFunc(p.ctx, func() { _ = s.Reset() })()
	_ = s.SetDeadline(time.Now().Add(helloTimeout)) // cannot fail on a stream just opened
	id := s.Conn().RemotePeer()
	from := p.Source(id)
	leave, ok := p.cfg.Budget.Bound(limit.Greetings).Enter(from)
	defer leave()
	if ok && !p.roster.mayGreet(id) {
		p.cfg.Budget.Refuse(limit.Greetings, from)
		ok = false
	}
	if !ok {
		_ = s.Reset()
		return
	}
	g, err := readHello(s, helloAlone, nil)
	if err == nil {
		p.learn(s.Conn(), g)
		err = writeHello(s, p.helloFor(s.Conn(), false), p.named(s.Conn(), g.Want && p.cfg.Budget.Rate(limit.Names).Allow(from, 1)))
	}
	if errors.Is(err, errLongHello) {
		p.cfg.Budget.Refuse(limit.Greetings, from)
	}
	if err != nil {
		p.about(id).WithError(err).Debug("a hello is not answered")
		_ = s.Reset()
		return
	}
	_ = s.Close()
}

// helloFor is what the peer at the other end of c is told.
func (p *Peer) helloFor(c network.Conn, want bool) hello {
	return hello{
		Trust: p.roster.lists.digest(), Self: formatAddrs(usefulTo(c, p.host.Addrs())),
		Data: formatAddrs(dataUsefulTo(c, p.DataAddrs())), Want: want, Relays: formatIDs(p.reserved.at()),
		Name: p.cfg.Name, Caps: p.cfg.Capabilities, Beat: p.heartbeat(),
	}
}

// nobody are the members that are named in a hello that names none.
func nobody(func(helloMember) bool) {}

// named are the members that the peer at the other end of c is told of: those that are connected,
// and when they are more than it takes, some of them at random.
func (p *Peer) named(c network.Conn, want bool) iter.Seq[helloMember] {
	if !want {
		return nobody
	}
	return func(yield func(helloMember) bool) {
		all, n := p.Members(), 0
		for i, from := 0, rand.IntN(len(all)+1); i < len(all) && n < maxGreetMembers; i++ {
			m := all[(from+i)%len(all)]
			addrs := usefulTo(c, m.Addrs)
			if !m.Connected || len(addrs)+len(m.Relays) == 0 || m.ID == c.RemotePeer() {
				continue
			}
			n++
			told := helloMember{ID: m.ID.String(), Addrs: formatAddrs(addrs), Caps: p.cfg.known(m.Capabilities), Relays: formatIDs(m.Relays)}
			if !yield(told) {
				return
			}
		}
	}
}

// readHello reads the answer to a hello, and puts it into the roster, as the names come.
func (p *Peer) readHello(s network.Stream, most helloBound) error {
	teller, _ := hearsay.IPOf(s.Conn().RemoteMultiaddr())
	here := hearsay.Network{Nets: hearsay.Attached(), Public: !p.cfg.private()}
	news := false
	g, err := readHello(s, most, func(m helloMember) { news = p.learnOf(teller, here, m) || news })
	if news {
		p.wakeDialler()
	}
	if errors.Is(err, errLongHello) {
		p.cfg.Budget.Refuse(limit.Greetings, p.Source(s.Conn().RemotePeer()))
	}
	if err == nil {
		p.learn(s.Conn(), g)
	}
	return err
}

// learn puts what a member said of itself into the roster.
func (p *Peer) learn(c network.Conn, g hello) {
	id := c.RemotePeer()
	addrs := usefulTo(c, parseAddrs(g.Self))
	if c.Stat().Direction == network.DirOutbound && relayOf(c.RemoteMultiaddr()) == "" && !multiaddr.Contains(addrs, c.RemoteMultiaddr()) {
		// The member was reached there, whatever it says of its addresses.
		addrs = append([]multiaddr.Multiaddr{c.RemoteMultiaddr()}, addrs...)
	}
	changed := p.roster.said(id, words{
		addrs: addrs, data: dataUsefulTo(c, parseAddrs(g.Data)), trust: g.Trust, relays: readRelays(g.Relays),
		name: readName(g.Name), capabilities: readCapabilities(g.Caps), beat: p.firstHand(id, g.Beat),
	})
	if changed && p.roster.isConfirmed(id) { // others are written down with what else is new
		p.remember(p.ctx, id)
	}
}

// learnOf puts what a member said of another into the roster.
func (p *Peer) learnOf(teller netip.Addr, here hearsay.Network, m helloMember) (news bool) {
	if len(m.ID) > maxID { // to decode one takes time by the square of its length
		return false
	}
	id, err := peer.Decode(m.ID)
	return err == nil && len(id) <= maxID/2 && p.roster.curious(id) &&
		p.roster.heard(teller, id, here.Useful(teller, parseAddrs(m.Addrs)), readRelays(m.Relays), readCapabilities(m.Caps))
}
