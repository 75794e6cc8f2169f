package peer

import (
	"cmp"
	"context"
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/client"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/proto"
	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/rendezvous"
)

const (
	maxRelays      = 3                // at which this peer is reached, and that are tried to reach another
	reserveEvery   = 5 * time.Second  // it is looked whether relays are needed, and which
	reserveTimeout = 10 * time.Second // for one reservation
	reserveAgain   = 30 * time.Second // after one that was refused
	missedAfter    = 2 * time.Second  // a peer that is known of is not connected: it may need a relay
)

// reservations are the relays by way of which others reach this peer. A registry takes some when it sees
// that it may not be reached: it has no address, members see it at one that is not its own, or there is a
// peer which it is not connected with. They cost a relay a few bytes each. It is safe for concurrent use.
type reservations struct {
	wake chan struct{}

	mu      sync.Mutex
	held    map[peer.ID]time.Time // when each is to be renewed
	refused map[peer.ID]time.Time // when those that were refused may be asked again
	seen    map[peer.ID]struct{}  // connected peers that see this one at an address that is not its own
}

func newReservations() *reservations {
	return &reservations{
		wake: make(chan struct{}, 1),
		held: map[peer.ID]time.Time{}, refused: map[peer.ID]time.Time{}, seen: map[peer.ID]struct{}{},
	}
}

// at are the relays where there is a reservation, sorted.
func (r *reservations) at() []peer.ID {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []peer.ID
	for id := range r.held {
		all = append(all, id)
	}
	slices.Sort(all)
	return all
}

// lost forgets what there was with a peer that is not connected any more: a relay does the same.
func (r *reservations) lost(id peer.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.held, id)
	delete(r.refused, id)
	delete(r.seen, id)
}

// lookAtSelf notes where a peer sees this one, if that is not where it is.
func (p *Peer) lookAtSelf(ev event.EvtPeerIdentificationCompleted) {
	if ev.ObservedAddr == nil || ev.Conn.Stat().Direction != network.DirOutbound || relayOf(ev.Conn.RemoteMultiaddr()) != "" || isOwn(ev.ObservedAddr) {
		return
	}
	p.reserved.seenElsewhere(ev.Peer)
	p.mappings.note(ev.Peer, ev.Conn.LocalMultiaddr(), ev.ObservedAddr)
}

func (r *reservations) seenElsewhere(by peer.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen[by] = struct{}{}
}

// isOwn reports whether this machine has the IP address of a multiaddr.
func isOwn(a multiaddr.Multiaddr) bool {
	ip, err := manet.ToIP(a)
	own, err2 := net.InterfaceAddrs()
	if err != nil || err2 != nil {
		return true // that it is another one is not known
	}
	return slices.ContainsFunc(own, func(a net.Addr) bool { n, ok := a.(*net.IPNet); return ok && n.IP.Equal(ip) })
}

// seenBy are the peers that see this one at an address that is not its own.
func (r *reservations) seenBy() []peer.ID {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Keys(r.seen))
}

// due are those of the relays to ask now: one by one so many that enough are held. Who is no relay any more
// is forgotten.
func (r *reservations) due(relays []peer.ID, now time.Time) (ask []peer.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id := range r.held {
		if !slices.Contains(relays, id) {
			delete(r.held, id)
		}
	}
	held := len(r.held)
	for _, id := range relays {
		renew, has := r.held[id]
		switch {
		case now.Before(r.refused[id]):
		case has && now.After(renew):
			ask = append(ask, id)
		case !has && held < maxRelays:
			held++
			ask = append(ask, id)
		}
	}
	return ask
}

// ended notes how a reservation ended; first reports whether there was none with this relay.
func (r *reservations) ended(id peer.ID, err error, now time.Time) (first bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		delete(r.held, id)
		r.refused[id] = now.Add(reserveAgain)
		return false
	}
	_, has := r.held[id]
	r.held[id] = now.Add(reservationTime / 2)
	return !has
}

func (r *reservations) wakeUp() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// keepReserving has relays at which this peer is reached, while it may need some.
func (p *Peer) keepReserving() {
	tick := time.NewTicker(reserveEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-p.reserved.wake:
		case <-p.ctx.Done():
			return
		}
		if p.needsRelay(time.Now()) {
			for _, id := range p.reserved.due(p.relays(p.ID()), time.Now()) {
				p.reserve(id)
			}
		}
	}
}

// needsRelay reports whether others may not reach this peer.
func (p *Peer) needsRelay(now time.Time) bool {
	return len(p.host.Addrs()) == 0 || p.roster.misses(now) ||
		slices.ContainsFunc(p.reserved.seenBy(), p.mayRelay) || slices.ContainsFunc(p.Connected(), p.Relayed)
}

// reserve asks a relay to let others reach this peer.
func (p *Peer) reserve(id peer.ID) {
	ctx, cancel := context.WithTimeout(p.ctx, reserveTimeout)
	defer cancel()
	_, err := client.Reserve(network.WithNoDial(ctx, "members are dialed already"), p.host, peer.AddrInfo{ID: id})
	if err != nil {
		p.about(id).WithError(err).Debug("a registry does not relay to this one: it is asked again later")
	}
	if p.reserved.ended(id, err, time.Now()) {
		p.roster.pokeEverybody(time.Now())
		p.wakeDialler()
		p.greet(id) // which tells others where this peer is
	}
}

// relays are the members that may relay between this peer and another one, or any, those first that come
// first in an order which depends on that peer.
func (p *Peer) relays(to peer.ID) []peer.ID {
	var all []peer.ID
	for _, id := range p.Connected() {
		if id != to && p.mayRelay(id) {
			all = append(all, id)
		}
	}
	score := func(id peer.ID) uint64 { return rendezvous.Score(id+to, 0) }
	slices.SortFunc(all, func(a, b peer.ID) int { return cmp.Compare(score(b), score(a)) })
	return all
}

// mayRelay reports whether a peer is a trusted member that relays, and is connected without a relay.
func (p *Peer) mayRelay(id peer.ID) bool {
	if !p.IsMember(id) || !p.Trusts(id) || p.Relayed(id) {
		return false
	}
	has, err := p.host.Peerstore().SupportsProtocols(id, proto.ProtoIDv2Hop)
	return err == nil && len(has) > 0
}

// circuitsTo are the addresses of a peer by way of relays, at most maxRelays: those of which it is known that
// it is reached there first.
func (p *Peer) circuitsTo(id peer.ID) (all []multiaddr.Multiaddr) {
	if !p.cfg.private() {
		return nil
	}
	said, relays := p.roster.relaysOf(id), p.relays(id)
	slices.SortStableFunc(relays, func(a, b peer.ID) int { return at(said, a) - at(said, b) })
	for _, relay := range relays[:min(len(relays), maxRelays)] {
		all = append(all, circuitBy(relay))
	}
	return all
}

// at is 0 for a peer among some, and 1 for any other.
func at(some []peer.ID, id peer.ID) int {
	if slices.Contains(some, id) {
		return 0
	}
	return 1
}

// misses reports whether there is a peer that may be, and has not been connected for a while.
func (r *roster) misses(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.records {
		if !e.connected && r.lists.allows(e.id) && now.Sub(e.since) > missedAfter {
			return true
		}
	}
	return false
}

// relaysOf are the relays at which a peer is reached, as it or others say.
func (r *roster) relaysOf(id peer.ID) []peer.ID {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.records[id]; e != nil {
		return slices.Clone(e.relays)
	}
	return nil
}

// pokeEverybody makes all peers that are away be dialed soon.
func (r *roster) pokeEverybody(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pokeAll(now)
}

// readRelays takes what it can read of a list of peer IDs, at most maxRelays.
func readRelays(list []string) (ids []peer.ID) {
	for _, s := range list {
		if len(ids) == maxRelays {
			break
		}
		if len(s) > maxID {
			continue
		}
		if id, err := peer.Decode(s); err == nil && len(id) <= maxID/2 && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// mayDialBy reports whether a peer may be dialed by way of another one: only trusted members see who
// meets whom.
func (r *roster) mayDialBy(relay peer.ID) bool { return r.isMember(relay) && r.trusts(relay) }
