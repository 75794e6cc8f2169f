package pathmap

import (
	"cmp"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/limit"
)

// servedPause is how long an exchange may make no progress before it gives way to another.
const servedPause = time.Second

// served are the exchanges that are being answered. How many there may be of each rank, member
// and address, bound says. One that makes no progress keeps its place only until another one
// needs it, and one of a member with several only until a member has none.
type served struct {
	bound *limit.Bound

	mu  sync.Mutex
	all []*answering
}

// answering is the connection of one of them.
type answering struct {
	net.Conn
	from  limit.Source
	last  atomic.Int64 // when it made progress, in nanoseconds since 1970
	leave func()
}

func (a *answering) progress() { a.last.Store(time.Now().UnixNano()) }

// Write counts as progress only when everything is written: a member that reads a byte now
// and then makes none.
func (a *answering) Write(b []byte) (int, error) {
	n, err := a.Conn.Write(b)
	if err == nil {
		a.progress()
	}
	return n, err
}

// sourceOf is the other end of a connection; by the host of its address when no member is known
// to be there.
func (m *Map) sourceOf(conn net.Conn) limit.Source {
	if id := m.cfg.Swarm.Remote(conn); id != "" {
		return m.cfg.Swarm.Source(id)
	}
	address := conn.RemoteAddr().String()
	if host, _, err := net.SplitHostPort(address); err == nil {
		address = host
	}
	return limit.Source{Peer: peer.ID(address)}
}

// admit takes a connection in; false when no other one has to give way to it.
func (s *served) admit(conn net.Conn, from limit.Source) (*answering, bool) {
	a := &answering{Conn: conn, from: from}
	a.progress()
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.bound.Fits(from) {
		if !s.makeRoom(from) {
			break // Enter counts that it is refused
		}
	}
	var ok bool
	if a.leave, ok = s.bound.Enter(from); ok {
		s.all = append(s.all, a)
	}
	return a, ok
}

// makeRoom ends one exchange for another of that source, if that helps: an idle one of its own, or
// else of its rank or a lower one, or else, when it has none itself, one of those who have most; mu
// is held.
func (s *served) makeRoom(from limit.Source) bool {
	var own, others []*answering
	each := map[peer.ID]int{}
	for _, o := range s.all {
		each[o.from.Peer]++
		switch {
		case !s.bound.FitsInstead(from, o.from):
		case o.from.Peer == from.Peer:
			own = append(own, o)
		case o.from.Rank <= from.Rank:
			others = append(others, o)
		}
	}
	if s.dismissIdle(own) || s.dismissIdle(others) {
		return true
	}
	greedy := slices.DeleteFunc(others, func(o *answering) bool { return each[o.from.Peer] < 2 })
	if each[from.Peer] > 0 || len(greedy) == 0 {
		return false
	}
	s.dismiss(slices.MinFunc(greedy, func(a, b *answering) int {
		return cmp.Or(cmp.Compare(each[b.from.Peer], each[a.from.Peer]), cmp.Compare(a.last.Load(), b.last.Load()))
	}))
	return true
}

// dismissIdle ends the exchange that has made no progress for the longest time, if that is long
// enough; mu is held.
func (s *served) dismissIdle(among []*answering) bool {
	if len(among) == 0 {
		return false
	}
	idle := slices.MinFunc(among, func(a, b *answering) int { return cmp.Compare(a.last.Load(), b.last.Load()) })
	if time.Since(time.Unix(0, idle.last.Load())) < servedPause {
		return false
	}
	s.dismiss(idle)
	return true
}

func (s *served) dismiss(a *answering) {
	_ = a.Close()
	s.remove(a)
}

func (s *served) leave(a *answering) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(a)
}

func (s *served) remove(a *answering) {
	a.leave()
	s.all = slices.DeleteFunc(s.all, func(o *answering) bool { return o == a })
}
