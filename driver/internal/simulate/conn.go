package simulate

import (
	"encoding/binary"
	"encoding/json"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// pipe is one direction of a connection. What is written arrives after a delay.
type pipe struct {
	delay time.Duration

	mu       sync.Mutex
	chunks   []chunk
	ended    bool      // by the writer
	endAt    time.Time // when the reader hears of that
	left     bool      // by the reader
	deadline time.Time // of reading
	changed  chan struct{}
}

type chunk struct {
	at time.Time
	b  []byte
}

func newPipe(delay time.Duration) *pipe { return &pipe{delay: delay, changed: make(chan struct{})} }

// change does something that a reader may wait for.
func (p *pipe) change(do func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	do()
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *pipe) write(b []byte) (err error) {
	p.change(func() {
		if p.ended || p.left {
			err = io.ErrClosedPipe
			return
		}
		p.chunks = append(p.chunks, chunk{time.Now().Add(p.delay), slices.Clone(b)})
	})
	return err
}

func (p *pipe) end() {
	p.change(func() {
		if !p.ended {
			p.ended, p.endAt = true, time.Now().Add(p.delay)
		}
	})
}

func (p *pipe) leave() { p.change(func() { p.left = true }) }

func (p *pipe) read(b []byte) (int, error) {
	for {
		n, next, changed, err := p.tryRead(b)
		if n > 0 || err != nil {
			return n, err
		}
		var later <-chan time.Time
		if !next.IsZero() {
			later = time.After(time.Until(next))
		}
		select {
		case <-changed:
		case <-later:
		}
	}
}

// tryRead reads what is there now, or says when to try again: next may be the zero Time.
func (p *pipe) tryRead(b []byte) (n int, next time.Time, changed <-chan struct{}, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	due := func(at time.Time) bool {
		if at.IsZero() || !now.Before(at) {
			return !at.IsZero()
		}
		if next.IsZero() || at.Before(next) {
			next = at
		}
		return false
	}
	switch {
	case p.left:
		err = net.ErrClosed
	case due(p.deadline):
		err = os.ErrDeadlineExceeded
	case len(p.chunks) > 0 && due(p.chunks[0].at):
		c := &p.chunks[0]
		n = copy(b, c.b)
		if c.b = c.b[n:]; len(c.b) == 0 {
			p.chunks = p.chunks[1:]
		}
	case len(p.chunks) == 0 && p.ended && due(p.endAt):
		err = io.EOF
	}
	return n, next, p.changed, err
}

// conn is one end of a connection between two members.
type conn struct {
	self, other *Member
	in, out     *pipe
	asks        bool          // it is the end of who asks
	kind        *atomic.Int32 // of what is asked now, the same at both ends
	once        sync.Once
}

// connect makes both ends of a connection.
func connect(from, to *Member) (asking, answering *conn) {
	there, back := newPipe(from.delay(to)), newPipe(from.delay(to))
	kind := new(atomic.Int32)
	kind.Store(int32(Heads))
	return &conn{self: from, other: to, in: back, out: there, asks: true, kind: kind}, &conn{self: to, other: from, in: there, out: back, kind: kind}
}

func (c *conn) Read(b []byte) (int, error) { return c.in.read(b) }

func (c *conn) Write(b []byte) (int, error) {
	if c.asks {
		c.kind.Store(int32(kindOf(b)))
	}
	if err := c.out.write(b); err != nil {
		return 0, err
	}
	k := Kind(c.kind.Load())
	c.self.tally.count(k, len(b))
	c.other.tally.count(k, len(b))
	return len(b), nil
}

// kindOf tells what a map asks for.
func kindOf(frame []byte) Kind {
	_, n := binary.Uvarint(frame)
	var request struct{ Op string }
	if err := json.Unmarshal(frame[max(0, n):], &request); err == nil && request.Op == "heads" {
		return Heads
	}
	return Deltas
}

// Close says so to the other end.
func (c *conn) Close() error {
	c.once.Do(func() {
		c.in.leave()
		c.out.end()
		for _, m := range []*Member{c.self, c.other} {
			m.tally.extra(Kind(c.kind.Load()), headers+negotiation)
		}
	})
	return nil
}

func (c *conn) LocalAddr() net.Addr  { return addr(c.self.id) }
func (c *conn) RemoteAddr() net.Addr { return addr(c.other.id) }

func (c *conn) SetDeadline(t time.Time) error      { return c.SetReadDeadline(t) }
func (c *conn) SetWriteDeadline(_ time.Time) error { return nil } // a write never waits
func (c *conn) SetReadDeadline(t time.Time) error {
	c.in.change(func() { c.in.deadline = t })
	return nil
}

type addr peer.ID

func (addr) Network() string  { return "simulated" }
func (a addr) String() string { return peer.ID(a).String() }

// listener is where a member's map answers others.
type listener struct {
	self  *Member
	conns chan net.Conn
	over  chan struct{}
	once  sync.Once
}

// arrive has a connection accepted.
func (l *listener) arrive(c *conn) {
	select {
	case l.conns <- c:
	case <-l.over:
		_ = c.Close()
	}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.over:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() { close(l.over) })
	return nil
}

func (l *listener) Addr() net.Addr { return addr(l.self.id) }
