package peer

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	"github.com/multiformats/go-multiaddr"
)

const (
	straightenEvery = 2 * time.Second // it is looked which members are reached by way of others alone
	straightenFirst = 5 * time.Second // after which one is dialed straight again, and twice as long each time
	straightenLast  = 5 * time.Minute // at most
)

// Relayed reports whether all connections to a peer pass through another one, a relay of libp2p.
func (p *Peer) Relayed(id peer.ID) bool {
	conns := p.host.Network().ConnsToPeer(id)
	for _, c := range conns {
		if relayOf(c.RemoteMultiaddr()) == "" {
			return false
		}
	}
	return len(conns) > 0
}

// again is when a member that is reached by way of others alone is dialed straight.
type again struct {
	at   time.Time
	wait time.Duration
}

// keepStraightening dials members straight that are reached by way of others alone, now and then: a way may
// have come. libp2p prefers it for all streams that are opened then.
func (p *Peer) keepStraightening() {
	tick := time.NewTicker(straightenEvery)
	defer tick.Stop()
	due, moved := map[peer.ID]again{}, map[peer.ID]string{}
	for {
		select {
		case <-tick.C:
		case <-p.ctx.Done():
			return
		}
		for _, id := range straighten(due, slices.DeleteFunc(p.Connected(), func(id peer.ID) bool { return !p.Relayed(id) }), time.Now()) {
			p.run(func() { p.dialStraight(id) })
		}
		p.moveTopics(moved)
		if err := p.punching.begin(); err != nil {
			p.log.WithError(err).Debug("registries behind other routers are reached by way of others alone")
		}
	}
}

// straighten are those of the members that are relayed which are to be dialed now, by what is due, and is kept.
func straighten(due map[peer.ID]again, relayed []peer.ID, now time.Time) (dial []peer.ID) {
	for id := range due {
		if !slices.Contains(relayed, id) {
			delete(due, id)
		}
	}
	for _, id := range relayed {
		a, has := due[id]
		switch {
		case !has:
			due[id] = again{now.Add(straightenFirst), straightenFirst}
		case !now.Before(a.at):
			wait := min(2*a.wait, straightenLast)
			due[id] = again{now.Add(wait + jitter(wait/4)), wait}
			dial = append(dial, id)
		}
	}
	return dial
}

// dialStraight dials a peer at its own addresses, and then through the routers in front of both.
func (p *Peer) dialStraight(id peer.ID) {
	ctx, cancel := context.WithTimeout(p.ctx, trialTimeout)
	defer cancel()
	p.swarm.Backoff().Clear(id)
	p.host.Peerstore().AddAddrs(id, p.roster.straightTo(id), peerstore.TempAddrTTL)
	if _, err := p.swarm.DialPeer(network.WithForceDirectDial(ctx, "it is reached by way of others"), id); err != nil {
		err = errors.Join(err, p.punching.meet(id))
		if p.Relayed(id) {
			p.about(id).WithError(err).Debug("a registry is still reached by way of another one alone")
			return
		}
	}
	p.about(id).Debug("a registry is reached straight, and was by way of another one")
}

// straightTo are the addresses of a peer as the configuration, and it itself, says.
func (r *roster) straightTo(id peer.ID) []multiaddr.Multiaddr {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.records[id]; e != nil {
		return slices.Concat(e.fixed, e.addrs)
	}
	return nil
}
