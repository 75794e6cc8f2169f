package pathmap_test

import (
	"bytes"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
)

// phones are the connections that the members of a fabric have dialed.
type phones struct {
	asks    atomic.Int64 // questions for heads
	dials   atomic.Int64
	mu      sync.Mutex
	open    map[*phone]bool
	stalled peer.ID // whose answers no longer come
}

type phone struct {
	net.Conn
	p      *phones
	to     peer.ID
	closed chan struct{}
	once   sync.Once
}

// three gives a fabric of three members on which somebody listens in, once they agree and keep
// connections. Its announcements are lost.
func three(t *testing.T) (f *fabric, p *phones, a, b, c *seat) {
	t.Helper()
	f = newFabric(t)
	p = listenIn(f)
	a, b, c = f.add("a"), f.add("b"), f.add("c")
	put(t, a, "/p", "1")
	agree(t, a, b, c)
	p.rounds(t, 12)
	return f, p, a, b, c
}

// listenIn watches the connections of a fabric without members yet. Its announcements are lost.
func listenIn(f *fabric) *phones {
	p := &phones{open: map[*phone]bool{}}
	f.loseAll.Store(true)
	f.wrap = func(to peer.ID, conn net.Conn) net.Conn {
		c := &phone{Conn: conn, p: p, to: to, closed: make(chan struct{})}
		p.dials.Add(1)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.open[c] = true
		return c
	}
	return p
}

func (c *phone) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte(`"op":"heads"`)) {
		c.p.asks.Add(1)
	}
	return c.Conn.Write(b)
}

func (c *phone) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.p.mu.Lock()
	stalled := c.p.stalled == c.to
	c.p.mu.Unlock()
	if stalled {
		<-c.closed
		return 0, net.ErrClosed
	}
	return n, err
}

func (c *phone) Close() error {
	c.once.Do(func() { close(c.closed) })
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	delete(c.p.open, c)
	return c.Conn.Close()
}

// hangUp breaks all connections.
func (p *phones) hangUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.open {
		_ = c.Conn.Close()
	}
}

func (p *phones) stall(id peer.ID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stalled = id
}

// count is how many connections are open, to one member or, with "", at all.
func (p *phones) count(to peer.ID) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.open {
		if to == "" || c.to == to {
			n++
		}
	}
	return n
}

// rounds waits until heads have been asked for so often, and returns how often members
// dialed meanwhile.
func (p *phones) rounds(t *testing.T, asks int64) (dials int64) {
	t.Helper()
	before, dialed := p.asks.Load(), p.dials.Load()
	eventually(t, fmt.Sprintf("heads are asked for %d times", asks), func() bool { return p.asks.Load() >= before+asks })
	return p.dials.Load() - dialed
}

// TestRoundsShareAConnection: members ask each other for heads on one connection, on another
// one when that broke, and keep none to a member that has gone, or after they were closed.
func TestRoundsShareAConnection(t *testing.T) {
	f, p, a, b, c := three(t)
	if dials := p.rounds(t, 120); dials > 20 {
		t.Errorf("120 questions took %d new connections", dials)
	}
	p.hangUp()
	put(t, b, "/q", "2")
	agree(t, a, b, c)
	p.rounds(t, 12)
	if dials := p.rounds(t, 120); dials > 20 {
		t.Errorf("after all broke, 120 questions took %d new connections", dials)
	}
	f.isolate(c.id, true)
	eventually(t, "none is kept to a member that has gone", func() bool { return p.count(c.id) == 0 })
	f.isolate(c.id, false)
	put(t, a, "/r", "3")
	agree(t, a, b, c)
	for _, s := range []*seat{a, b, c} {
		s.stop()
	}
	eventually(t, "none is open after all were closed", func() bool { return p.count("") == 0 })
}

// TestAMemberThatStallsOnAKeptConnection: the others go on being asked, it is not asked again
// until it is given up on, and then on a new connection.
func TestAMemberThatStallsOnAKeptConnection(t *testing.T) {
	_, p, a, b, c := three(t)
	p.stall(c.id)
	put(t, a, "/q", "2")
	agree(t, a, b)
	put(t, b, "/r", "3")
	agree(t, a, b)
	p.rounds(t, 60)
	if n := p.count(c.id); n > 4 { // of two members: one that is compared, and one that follows
		t.Errorf("%d connections wait for it", n)
	}
	if testing.Short() {
		return
	}
	p.stall("")
	put(t, c, "/s", "4")
	agree(t, a, b, c)
}
