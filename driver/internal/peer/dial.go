package peer

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	"github.com/multiformats/go-multiaddr"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/limit"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer/hearsay"
)

const (
	// dialTimeout bounds one attempt: every address, and on the public network the DHT when all
	// fail.
	dialTimeout  = 20 * time.Second
	trialTimeout = 10 * time.Second // likewise, of a peer that has not been of use yet
	trialPause   = 5 * time.Second  // before it is asked again whether such a peer may be dialed
)

// keepDialing dials the peers that are known, not connected, and due.
func (p *Peer) keepDialing() {
	for {
		due, next := p.roster.due(time.Now())
		for _, t := range due {
			p.run(func() {
				p.dial(t)
				p.wakeDialler()
			})
		}
		timer := time.NewTimer(next)
		select {
		case <-timer.C:
		case <-p.wake:
		case <-p.ctx.Done():
			timer.Stop()
			return
		}
		timer.Stop()
	}
}

func (p *Peer) wakeDialler() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// call is a peer to be dialed.
type call struct {
	peer.AddrInfo
	search  bool // ask the DHT for its addresses, too, if it does not answer at those known
	timeout time.Duration
	trial   bool        // it is one of roster.onTrial
	try     hearsay.Try // what it is charged
}

func (p *Peer) dial(t call) {
	ctx, cancel := context.WithTimeout(p.ctx, t.timeout)
	defer cancel()
	// The roster decides when to dial, because libp2p's own backoff knows less.
	p.swarm.Backoff().Clear(t.ID)
	err := p.connect(network.WithDialPeerTimeout(ctx, t.timeout), t)
	if p.ctx.Err() != nil {
		return
	}
	rebuffs := p.roster.dialed(t, func() bool { return p.isConnected(t.ID) }, err)
	if err != nil {
		p.explain(ctx, t.AddrInfo, err, rebuffs)
	}
}

func (p *Peer) connect(ctx context.Context, t call) error {
	if t.search && p.routes != nil {
		return p.host.Connect(ctx, t.AddrInfo)
	}
	p.host.Peerstore().AddAddrs(t.ID, append(t.Addrs, p.circuitsTo(t.ID)...), peerstore.TempAddrTTL)
	_, err := p.swarm.DialPeer(ctx, t.ID)
	return err
}

// due picks the peers to dial now, those of a better standing first, so that at most
// maxDialsAtOnce dials are under way, and returns when to ask again.
func (r *roster) due(now time.Time) (dial []call, next time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	next = time.Minute
	var waiting [standings][]*entry
	for _, e := range r.records {
		if e.connected || e.dialing || !r.lists.allows(e.id) {
			continue
		}
		if wait := e.due.Sub(now); wait > 0 {
			next = min(next, wait)
			continue
		}
		s := e.standing(r)
		waiting[s] = append(waiting[s], e)
	}
	for s, of := range waiting {
		if standing(s) == hearsaid {
			of = inTurn(of)
		}
		for _, e := range of {
			if !r.mayDial(standing(s)) {
				break // the end of a dial asks again
			}
			if t, ok := r.call(e, standing(s), now); ok {
				dial = append(dial, t)
			} else if wait := e.due.Sub(now); wait > 0 {
				next = min(next, wait)
			}
		}
	}
	return dial, next
}

// mayDial reports whether there is room for one more dial.
func (r *roster) mayDial(s standing) bool {
	return r.dialing < maxDialsAtOnce && (s < onTrial || r.onTrial < maxDialsOnTrial)
}

// inTurn orders peers so that each site which named some has one of its own dialed in turn.
func inTurn(all []*entry) (ordered []*entry) {
	var sites []netip.Prefix
	of := map[netip.Prefix][]*entry{}
	for _, e := range all {
		if _, ok := of[e.site]; !ok {
			sites = append(sites, e.site)
		}
		of[e.site] = append(of[e.site], e)
	}
	for len(ordered) < len(all) {
		for _, site := range sites {
			if left := of[site]; len(left) > 0 {
				ordered, of[site] = append(ordered, left[0]), left[1:]
			}
		}
	}
	return ordered
}

// call begins a dial of a peer at its own addresses, and at those that one site says it has, as
// far as these may be dialed now. What a peer that is not confirmed says of itself is no better
// than what others say. r.mu is held.
func (r *roster) call(e *entry, s standing, now time.Time) (t call, ok bool) {
	t = call{AddrInfo: peer.AddrInfo{ID: e.id}, timeout: dialTimeout}
	said := e.named
	if s < onTrial {
		t.Addrs = slices.Concat(e.fixed, e.addrs)
	} else {
		t.timeout = trialTimeout
		said = append([]naming{{e.site, e.addrs}}, said...)
	}
	t.try = r.try(e, said, now)
	t.Addrs, e.trying = append(t.Addrs, t.try.Addrs...), t.try.Addrs
	if len(t.Addrs)+len(e.relays) == 0 && (s >= onTrial || e.version != "") { // who was only listed is found when others say where it is
		e.due = now.Add(trialPause + jitter(trialPause))
		return t, false
	}
	e.dialing, e.tried = true, now
	r.dialing++
	if e.answered { // and it is not connected any more
		e.hungUp(now)
	}
	if t.trial = s >= onTrial; t.trial {
		r.onTrial++
		return t, true
	}
	if t.search = !e.eager(now) || now.Sub(e.sought) >= redialShort; t.search {
		e.sought = now
	}
	return t, true
}

// try has a peer dialed where the next site says it is, of those that say anything. r.mu is held.
func (r *roster) try(e *entry, said []naming, now time.Time) (t hearsay.Try) {
	for range said {
		e.turn++
		of := said[e.turn%len(said)]
		if len(of.addrs) == 0 {
			continue
		}
		t, ok := r.book.Begin(of.site, of.addrs, now)
		if t.Over {
			r.refused(limit.Source{Address: of.site, Rank: limit.Member})
		}
		if ok {
			return t
		}
	}
	return t
}

// eager reports whether a peer is dialed every two seconds or sooner: it was a member until some
// minutes ago, because most cuts of a network are short, and others are to see what is pushed soon
// after the end of one; or this registry began some minutes ago, and is to join by it.
func (e *entry) eager(now time.Time) bool {
	return now.Sub(e.lost) < lately && (e.bootstraps || e.known && (e.confirmed || e.keep))
}

// dialed notes how a dial ended, and when the next one is due if one is needed. It returns
// how many handshakes have failed in a row. Whether the peer is connected is asked under the lock: if that
// was known before, the end of the connection could be noted in between, and be forgotten here for good.
func (r *roster) dialed(t call, isConnected func() bool, err error) (rebuffs int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now, connected := time.Now(), isConnected()
	r.dialing--
	if t.trial {
		r.onTrial--
	}
	r.book.End(t.try, !connected, anotherPeerAt(err), now)
	e := r.records[t.ID]
	if e == nil {
		return 0
	}
	e.dialing, e.trying = false, nil
	switch {
	case e.eager(now):
		e.backoff.MaxInterval = redialLately
	case e.keep || now.Sub(e.lost) <= longAway:
		e.backoff.MaxInterval = redialShort
	default:
		e.backoff.MaxInterval = redialLong
	}
	e.due = now.Add(e.backoff.NextBackOff())
	if connected {
		e.connected = true // its event may have come before the record
		e.rebuffs = 0
		if !e.subscribed && e.lonely.IsZero() {
			e.lonely = now
		}
	} else if err != nil && rebuffed(err) {
		e.rebuffs++
	}
	e.answered = err == nil && !e.member()
	e.hangsUp = e.hangsUp && err == nil
	return e.rebuffs
}

// anotherPeerAt reports of an address whether another peer answered there than the one that was
// dialed.
func anotherPeerAt(err error) func(netip.AddrPort) bool {
	return func(at netip.AddrPort) (yes bool) {
		verdicts(err, func(a multiaddr.Multiaddr, v verdict, _ error) {
			yes = yes || v == stranger && hearsay.PortOf(a) == at
		})
		return yes
	}
}

func jitter(d time.Duration) time.Duration { return rand.N(d) }
