package peer

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
)

// dialTimeout bounds one attempt: every address, and on the public network the DHT when all fail.
const dialTimeout = 20 * time.Second

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
	search bool // ask the DHT for its addresses, too, if it does not answer at those known
}

func (p *Peer) dial(t call) {
	ctx, cancel := context.WithTimeout(p.ctx, dialTimeout)
	defer cancel()
	// The roster decides when to dial, because libp2p's own backoff knows less.
	p.swarm.Backoff().Clear(t.ID)
	err := p.connect(network.WithDialPeerTimeout(ctx, dialTimeout), t)
	if p.ctx.Err() != nil {
		return
	}
	rebuffs := p.roster.dialed(t.ID, p.isConnected(t.ID), err != nil && rebuffed(err))
	if err != nil {
		p.explain(ctx, t.AddrInfo, err, rebuffs)
	}
}

func (p *Peer) connect(ctx context.Context, t call) error {
	if t.search && p.routes != nil {
		return p.host.Connect(ctx, t.AddrInfo)
	}
	p.host.Peerstore().AddAddrs(t.ID, t.Addrs, peerstore.TempAddrTTL)
	_, err := p.swarm.DialPeer(ctx, t.ID)
	return err
}

// due picks the peers to dial now, so that at most maxDialsAtOnce dials are under way, and
// returns when to ask again.
func (r *roster) due(now time.Time) (dial []call, next time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	next = time.Minute
	for _, e := range r.records {
		if e.connected || e.dialing {
			continue
		}
		if wait := e.due.Sub(now); wait > 0 {
			next = min(next, wait)
			continue
		}
		if r.dialing >= maxDialsAtOnce {
			continue // the end of a dial asks again
		}
		addrs := slices.Concat(e.fixed, e.addrs)
		if len(addrs) == 0 && !e.keep && !e.confirmed {
			continue
		}
		e.dialing = true
		r.dialing++
		search := !e.leftLately(now) || now.Sub(e.sought) >= redialShort
		if search {
			e.sought = now
		}
		dial = append(dial, call{peer.AddrInfo{ID: e.id, Addrs: addrs}, search})
	}
	return dial, next
}

// leftLately reports whether a peer was a member until some minutes ago. It is dialed every two
// seconds or sooner, because most cuts of a network are short, and others are to see what is
// pushed soon after the end of one.
func (e *entry) leftLately(now time.Time) bool { return e.confirmed && now.Sub(e.lost) < lately }

// dialed notes how a dial ended, and when the next one is due if one is needed. It returns
// how many handshakes have failed in a row.
func (r *roster) dialed(id peer.ID, connected, rebuffed bool) (rebuffs int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dialing--
	e := r.records[id]
	if e == nil {
		return 0
	}
	e.dialing = false
	now := time.Now()
	switch {
	case e.leftLately(now):
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
	} else if rebuffed {
		e.rebuffs++
	}
	return e.rebuffs
}

func jitter(d time.Duration) time.Duration { return rand.N(d) }
