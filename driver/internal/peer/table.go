package peer

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
)

// Member is a peer that is, or was, in the private network and on the topic.
type Member struct {
	ID           peer.ID
	Addrs        []multiaddr.Multiaddr // without /p2p/
	Connected    bool
	Since        time.Time // of being connected, or of being lost
	TrustDiffers bool      // its list of trusted peers is another one
}

const (
	maxMembers = 4096
	maxAddrs   = 16 // of one member
)

// table is who the members are. It is safe for concurrent use.
type table struct {
	mu      sync.Mutex
	members map[peer.ID]*Member
	changed chan struct{} // closed at the next change
}

func newTable() *table {
	return &table{members: map[peer.ID]*Member{}, changed: make(chan struct{})}
}

// change runs f on a member, which is made where it is missing.
func (t *table) change(id peer.ID, f func(*Member)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	m := t.members[id]
	if m == nil {
		if len(t.members) >= maxMembers {
			return
		}
		m = &Member{ID: id, Since: time.Now()}
		t.members[id] = m
	}
	f(m)
	close(t.changed)
	t.changed = make(chan struct{})
}

func (t *table) setConnected(id peer.ID, connected bool) {
	t.change(id, func(m *Member) { m.Connected, m.Since = connected, time.Now() })
}

func (t *table) setAddrs(id peer.ID, addrs []multiaddr.Multiaddr) {
	if len(addrs) == 0 {
		return
	}
	t.change(id, func(m *Member) { m.Addrs = slices.Clone(addrs[:min(len(addrs), maxAddrs)]) })
}

// setTrust notes whether a member's list differs, and says whether that is news.
func (t *table) setTrust(id peer.ID, differs bool) (news bool) {
	t.change(id, func(m *Member) {
		news = m.TrustDiffers != differs
		m.TrustDiffers = differs
	})
	return news
}

// learn adds members that somebody tells of. What is known of a connected
// member is better than hearsay.
func (t *table) learn(infos []peer.AddrInfo) {
	for _, info := range infos {
		if len(info.Addrs) == 0 {
			continue
		}
		t.change(info.ID, func(m *Member) {
			if !m.Connected {
				m.Addrs = slices.Clone(info.Addrs[:min(len(info.Addrs), maxAddrs)])
			}
		})
	}
}

func (t *table) list() []Member {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make([]Member, 0, len(t.members))
	for _, m := range t.members {
		c := *m
		c.Addrs = slices.Clone(m.Addrs)
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b Member) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

// connected says whether a peer is a member now, and what to wait on for news.
func (t *table) connected(id peer.ID) (bool, <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	m := t.members[id]
	return m != nil && m.Connected, t.changed
}

// Members are the known members without this peer, sorted by ID.
func (p *Peer) Members() []Member { return p.members.list() }

// Connected are the members that are connected now.
func (p *Peer) Connected() []peer.ID {
	var ids []peer.ID
	for _, m := range p.members.list() {
		if m.Connected {
			ids = append(ids, m.ID)
		}
	}
	return ids
}

// IsMember says whether a peer is connected and subscribed to the topic.
func (p *Peer) IsMember(id peer.ID) bool {
	ok, _ := p.members.connected(id)
	return ok
}
