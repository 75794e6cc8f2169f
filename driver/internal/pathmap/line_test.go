package pathmap_test

import (
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-varint"
)

// line is what all connections to a member share, and carries so many bytes a second.
type line struct {
	rate atomic.Int64
	read atomic.Int64
	mu   sync.Mutex
}

// slow puts a member behind a line.
func (f *fabric) slow(id peer.ID, bytesPerSecond int) *line {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lines == nil {
		f.lines = map[peer.ID]*line{}
	}
	l := &line{}
	l.rate.Store(int64(bytesPerSecond))
	f.lines[id] = l
	return l
}

// noneSlow makes all lines fast, also for the connections that are there.
func (f *fabric) noneSlow() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, l := range f.lines {
		l.rate.Store(1 << 40)
	}
}

type lineConn struct {
	net.Conn
	line *line
}

func (c *lineConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b[:min(int64(len(b)), max(1, c.line.rate.Load()/20))])
	c.line.mu.Lock()
	time.Sleep(time.Duration(n) * time.Second / time.Duration(c.line.rate.Load()))
	c.line.mu.Unlock()
	c.line.read.Add(int64(n))
	return n, err
}

// tapConn counts the deltas that come over a connection.
type tapConn struct {
	net.Conn
	f   *fabric
	got []byte // of a frame that is not whole yet
}

func (c *tapConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.got = append(c.got, b[:n]...)
	for {
		size, head, err := varint.FromUvarint(c.got)
		if err != nil || len(c.got) < head+int(size) {
			break
		}
		if size > 0 && c.got[head] != '{' { // answers are JSON
			c.f.deltas.Add(1)
		}
		c.got = c.got[head+int(size):]
	}
	return n, err
}
