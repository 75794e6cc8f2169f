package pathmap

import (
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	maxServed   = 64          // exchanges answered at once
	maxServedTo = 4           // of them with one member
	servedPause = time.Second // without progress, after which one gives way to another
)

// served are the exchanges that are being answered. An exchange that makes no progress
// keeps its slot only until another one needs it.
type served struct {
	mu  sync.Mutex
	all []*answering
}

// answering is the connection of one of them.
type answering struct {
	net.Conn
	member string
	last   atomic.Int64 // when it made progress, in nanoseconds since 1970
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

// memberOf identifies the other end of a connection: by a peer ID, or the host of an
// address.
func memberOf(conn net.Conn) string {
	address := conn.RemoteAddr().String()
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return address
}

// admit takes a connection in; false when all slots are in use and make progress.
func (s *served) admit(conn net.Conn) (*answering, bool) {
	a := &answering{Conn: conn, member: memberOf(conn)}
	a.progress()
	s.mu.Lock()
	defer s.mu.Unlock()
	var own []*answering
	for _, o := range s.all {
		if o.member == a.member {
			own = append(own, o)
		}
	}
	if len(own) >= maxServedTo && !s.dismiss(own) || len(s.all) >= maxServed && !s.dismiss(s.all) {
		return nil, false
	}
	s.all = append(s.all, a)
	return a, true
}

// dismiss ends the exchange that has made no progress for the longest time, if that is long
// enough; mu is held.
func (s *served) dismiss(among []*answering) bool {
	idle := slices.MinFunc(among, func(a, b *answering) int { return int(a.last.Load() - b.last.Load()) })
	if time.Since(time.Unix(0, idle.last.Load())) < servedPause {
		return false
	}
	_ = idle.Close()
	s.remove(idle)
	return true
}

func (s *served) leave(a *answering) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(a)
}

func (s *served) remove(a *answering) {
	s.all = slices.DeleteFunc(s.all, func(o *answering) bool { return o == a })
}
