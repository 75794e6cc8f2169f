package peer

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
	"golang.org/x/time/rate"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/limit"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer/hearsay"
)

const (
	maxCandidates    = 4096                // peers that were named and never met
	maxAddrs         = 16                  // kept of one peer
	candidateTime    = 10 * time.Minute    // a peer that was named has to become a member
	subscribedTime   = time.Minute         // likewise one that has only subscribed
	lately           = 5 * time.Minute     // a member away for less is dialed more often
	longAway         = time.Hour           // a member away for longer is dialed less often
	redialLately     = 4 * time.Second / 3 // which the backoff makes half as much again, at most
	redialShort      = 15 * time.Second    // at most this between two dials
	redialLong       = 5 * time.Minute     // of one that is away for long
	redialSoon       = time.Second
	maxDialsAtOnce   = 32
	maxDialsOnTrial  = 24               // of these, of peers that are neither configured, trusted nor confirmed
	pokeAllEvery     = 10 * time.Second // at most, when a member comes back
	unsubscribedWait = 5 * time.Second
)

// roster is the peers that this one knows of: members, bootstrappers, and peers that were
// only named by members. It does not use the network; the watcher tells it what happens.
type roster struct {
	self    peer.ID
	lists   *lists
	homes   homes
	refused func(limit.Source) // called when a peer that somebody named may not be dialed, with r.mu held

	mu      sync.Mutex
	records map[peer.ID]*entry
	changed chan struct{} // closed and replaced when a peer becomes a member
	dialing int
	onTrial int // of these dials
	named   pool
	visited map[peer.ID][]multiaddr.Multiaddr // peers that are no members, while they are dialed
	book    hearsay.Book                      // of dials of addresses that others named
	poked   time.Time
	met     bool      // a peer has become a member
	started time.Time // zero: Start has not been called
	saved   time.Time // when members were last written down
}

// entry is one other peer.
type entry struct {
	id         peer.ID
	fixed      []multiaddr.Multiaddr // from the configuration
	addrs      []multiaddr.Multiaddr
	data       []multiaddr.Multiaddr // of its data port, as it said itself
	relays     []peer.ID             // by way of which it is reached, as it or others say
	keep       bool                  // it is in the configuration: never forgotten
	bootstraps bool                  // a bootstrapper, which is to be a member
	met        bool                  // was a member since Start
	trouble    string                // why it could not be dialed, of a bootstrapper
	failure    Failure               // of the last dial that failed
	warned     int                   // how often that was logged
	known      bool                  // was a member once
	first      time.Time             // when it became one; zero: it has not, or that is not known
	confirmed  bool                  // something useful came of it, see confirm
	site       netip.Prefix          // where it was a member, or whoever named it first is
	teller     netip.Addr            // where its addresses were said
	named      []naming              // what others say of where it is
	turn       int                   // of whose addresses are tried beside its own
	trying     []multiaddr.Multiaddr // of these, the ones that are being dialed
	pooled     bool                  // it counts as one of roster.named, of its site
	tried      time.Time
	connected  bool
	subscribed bool
	since      time.Time // it became a member, or ceased to be one, or was heard of
	lost       time.Time // since when it has been away, in time that this peer ran
	lonely     time.Time // connected and not subscribed since
	lonelyWait time.Duration
	trust      string    // digest of its list of trusted peers, "" unknown
	disagrees  time.Time // since when that has been seen not to be ours, while it is connected
	greeted    bool      // it has said hello since it was connected
	saved      time.Time

	savedConnected bool

	name         string // as it said itself; "" unknown
	capabilities []string

	version string    // of what the swarm's list says of it, when that was last taken; "": nothing was
	told    time.Time // when that was, in time that this peer ran

	beat     *heartbeatMsg // its last; nil: it has sent none
	heard    time.Time     // when; zero: before Start
	unsaved  bool          // it says something new
	pace     *rate.Limiter // of its heartbeats; nil: it has sent none in this run
	greeting greeting
	hellos   *rate.Limiter // of those that it began; nil likewise
	news     *rate.Limiter // of what it sends to the topics; nil likewise

	backoff  *backoff.ExponentialBackOff
	due      time.Time
	sought   time.Time // when others were last asked for its addresses, or its connection was lost
	dialing  bool
	rebuffs  int  // handshakes that failed since it was last connected
	answered bool // when it was last dialed, and has not been a member since
	hangsUp  bool // answered, and was gone at once
}

func (e *entry) member() bool { return e.connected && e.subscribed }

func newRoster(self peer.ID) *roster {
	return &roster{
		self: self, lists: newLists(self, Lists{}), homes: newHomes(), refused: func(limit.Source) {},
		records: map[peer.ID]*entry{}, visited: map[peer.ID][]multiaddr.Multiaddr{}, changed: make(chan struct{}),
	}
}

// entry returns a peer's record, and makes it if there is none. r.mu is held.
func (r *roster) entry(id peer.ID) *entry {
	e := r.records[id]
	if e == nil {
		b := backoff.NewExponentialBackOff()
		b.Multiplier = 2
		now := time.Now()
		e = &entry{id: id, since: now, lost: now, backoff: b}
		r.records[id] = e
	}
	return e
}

// keep adds a peer from the configuration.
func (r *roster) keep(b peer.AddrInfo, bootstrapper bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.entry(b.ID)
	r.named.remove(e)
	e.keep, e.bootstraps = true, bootstrapper || e.bootstraps
	e.fixed = append(e.fixed, b.Addrs...)
	for _, a := range b.Addrs {
		if ip, ok := hearsay.IPOf(a); ok {
			r.homes.add(limit.Address(ip))
		}
	}
}

// recall adds a member remembered from an earlier run, which was last alive at the given
// time.
func (r *roster) recall(id peer.ID, m remembered, alive moment, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if id == r.self {
		return
	}
	e := r.entry(id)
	r.named.remove(e)
	e.known, e.confirmed, e.site = true, !m.Unused || r.isNamed(id), readSite(m.Site)
	r.settle(e)
	e.addrs, e.since = parseAddrs(m.Addrs), m.Seen
	if m.Connected && alive.Time.After(m.Seen) {
		e.since = alive.Time
	} else if !m.Connected {
		e.lost = now.Add(-max(0, m.Away) - max(0, alive.Uptime-m.Uptime))
	}
	if e.since.After(now) {
		e.since = now // the clock was set back
	}
	e.name, e.capabilities, e.first = readName(m.Name), readCapabilities(m.Caps), m.First
	if e.version = m.Listed; e.version != "" {
		e.told = now.Add(-max(0, m.Told) - max(0, alive.Uptime-m.Uptime))
	}
	if len(m.Beat) > 0 {
		e.beat, _ = readHeartbeat(m.Beat) // what cannot be read is as if it had not been heard
	}
}

// mayGreet reports whether a member has not said hello too often of late.
func (r *roster) mayGreet(id peer.ID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.records[id]
	if e == nil {
		return false
	}
	if e.hellos == nil {
		e.hellos = rate.NewLimiter(rate.Every(helloGap), maxHellos)
	}
	return e.hellos.Allow()
}

// subscribed notes that a peer is on the topic, or has left it. connected is the present
// state of the connection, since the record may be new.
func (r *roster) subscribed(id peer.ID, yes, connected bool) (joined, left bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.records[id] == nil && (!yes || id == r.self) {
		return false, false
	}
	e := r.entry(id)
	was := e.member()
	if !e.connected && connected {
		e.connected = true
	}
	e.subscribed = yes
	return r.update(e, was)
}

// connected notes that a peer came or went. Peers that are neither on the topic nor wanted
// are ignored.
func (r *roster) connected(id peer.ID, yes bool) (joined, left bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.records[id]
	if e == nil {
		return false, false
	}
	was := e.member()
	e.connected = yes
	if yes {
		e.rebuffs = 0
	} else {
		e.greeted = false
		e.sought = time.Now()
		e.due = e.sought.Add(jitter(redialSoon))
	}
	return r.update(e, was)
}

// update notes the consequences of a change of a peer. r.mu is held.
func (r *roster) update(e *entry, was bool) (joined, left bool) {
	is, now := e.member(), time.Now()
	if e.connected && !e.subscribed {
		if e.lonely.IsZero() {
			e.lonely = now
		}
	} else {
		e.lonely = time.Time{}
	}
	if is == was {
		return false, false
	}
	e.since, e.lost = now, now
	if is && !e.known {
		e.first = now
	}
	if !is {
		return false, true
	}
	r.named.remove(e)
	r.met, e.met, e.known, e.lonelyWait, e.answered, e.hangsUp = true, true, true, 0, false, false
	e.confirmed = e.confirmed || r.isNamed(e.id)
	e.backoff.Reset()
	close(r.changed)
	r.changed = make(chan struct{})
	if e.standing(r) < onTrial {
		r.pokeAll(now)
	}
	return true, false
}

// pokeAll makes all peers that are away be dialed soon: when one comes back, the network
// may be whole again. r.mu is held.
func (r *roster) pokeAll(now time.Time) {
	if now.Sub(r.poked) < pokeAllEvery {
		return
	}
	r.poked = now
	for _, e := range r.records {
		if !e.connected && e.due.After(now.Add(redialSoon)) {
			e.due = now.Add(jitter(redialSoon))
		}
	}
}

func (r *roster) isMember(id peer.ID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.records[id]
	return e != nil && e.member() && r.lists.allows(id)
}

// waitMember waits until a peer is a member; false when ctx ends first.
func (r *roster) waitMember(ctx context.Context, id peer.ID) bool {
	for {
		r.mu.Lock()
		e, changed := r.records[id], r.changed
		is := e != nil && e.member() && r.lists.allows(id)
		r.mu.Unlock()
		if is {
			return true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

func (r *roster) connectedIDs() []peer.ID {
	r.mu.Lock()
	defer r.mu.Unlock()
	var ids []peer.ID
	for id, e := range r.records {
		if e.member() {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}
