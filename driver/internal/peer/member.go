package peer

import (
	"cmp"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
)

// Member is another registry of the swarm, with what this one knows of it.
type Member struct {
	ID           peer.ID
	Name         string                // as the member says; "" unknown
	Addrs        []multiaddr.Multiaddr // where it was last reached or said to be, without /p2p/
	Relays       []peer.ID             // by way of which it is reached, as it says or others do
	Connected    bool
	Confirmed    bool          // something useful came of it, or trustedpeers names it; it is to count while it is away
	First        time.Time     // when it became a member for the first time since it was last forgotten; zero: an earlier release has not written that down
	Kept         bool          // the configuration names it to join by: it is never forgotten
	Since        time.Time     // when it was connected, or lost
	Away         time.Duration // for how long this peer has run without it, over restarts; 0: it is connected
	Unheard      time.Duration // for how long it has run without hearing of it, by a connection or by the swarm's list; 0: it is connected
	TrustDiffers bool          // its list of trusted peers differs from ours
	Capabilities []string      // what it last said it understands
	Greeted      bool          // it has said hello since it was connected: before, what it said is of another time
	Failure      Failure       // why it could not be reached when that last happened; zero: it did not
	Heartbeat    *Heartbeat    // its last; nil: it sends none, as earlier releases, or is not trusted
}

// Members returns all peers that were members once and are not forgotten, sorted by ID,
// without this peer. Those that are neither connected nor confirmed are soon forgotten.
func (p *Peer) Members() []Member { return p.roster.members() }

// Connected returns the members connected now, sorted by ID.
func (p *Peer) Connected() []peer.ID { return p.roster.connectedIDs() }

// AddrInUse is the other end of the connection to a peer, as a multiaddr; "" when there is
// none. Of several connections it prefers one that this peer dialed, and then the oldest.
func (p *Peer) AddrInUse(id peer.ID) string {
	c := p.connInUse(id)
	if c == nil {
		return ""
	}
	return c.RemoteMultiaddr().String()
}

// Met reports whether a member has been connected since Start.
func (p *Peer) Met() bool {
	p.roster.mu.Lock()
	defer p.roster.mu.Unlock()
	return p.roster.met
}

// Known returns all members that are not forgotten, connected or not.
func (p *Peer) Known() []peer.ID {
	var ids []peer.ID
	for _, m := range p.roster.members() {
		ids = append(ids, m.ID)
	}
	return ids
}

// Unheard returns known members that have been connected for seconds without subscribing to
// the topic: they may be talking to another peer with this one's peer ID. Dial reaches them.
func (p *Peer) Unheard() []peer.ID { return p.roster.unheard(time.Now()) }

func (r *roster) unheard(now time.Time) (ids []peer.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, e := range r.records {
		if (e.known || e.keep) && !e.lonely.IsZero() && now.Sub(e.lonely) > unheardWait {
			ids = append(ids, id)
		}
	}
	return ids
}

// unheardWait is how long the subscription of a connected member may take.
const unheardWait = 2 * time.Second

// IsMember reports whether a peer is a member connected now.
func (p *Peer) IsMember(id peer.ID) bool { return p.roster.isMember(id) }

// Admits reports whether a request may be answered that came over a connection of
// Listen or ListenData with this remote address: only while its peer is a member.
func (p *Peer) Admits(remote string) bool {
	id, err := peer.Decode(remote)
	return err == nil && p.IsMember(id)
}

// Confirmed reports whether something useful came of a peer before, perhaps in an earlier run, or
// trustedpeers names it and it was a member.
func (p *Peer) Confirmed(id peer.ID) bool { return p.roster.isConfirmed(id) }

func (r *roster) members() []Member {
	r.mu.Lock()
	defer r.mu.Unlock()
	ours := r.lists.digest()
	var all []Member
	for _, e := range r.records {
		if e.known {
			all = append(all, e.public(time.Now(), ours))
		}
	}
	slices.SortFunc(all, func(a, b Member) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

func (e *entry) public(now time.Time, ours string) Member {
	m := Member{
		ID: e.id, Name: e.name, Addrs: slices.Clone(e.addrs), Relays: slices.Clone(e.relays), Connected: e.member(), Confirmed: e.confirmed, Since: e.since,
		First: e.first, Kept: e.keep, Failure: e.failure, TrustDiffers: e.disagreesWith(ours), Capabilities: slices.Clone(e.capabilities), Greeted: e.greeted,
	}
	if !m.Connected {
		m.Away, m.Unheard = max(1, now.Sub(e.lost)), max(1, now.Sub(e.unheard()))
	}
	if e.beat != nil {
		m.Heartbeat = e.beat.public(e.heard)
	}
	return m
}
