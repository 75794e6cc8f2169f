package drivertest

import (
	"bytes"
	"net"
	"sync"
	"time"
)

const (
	chunk     = 32 << 10 // bytes read at once
	onTheLine = 1024     // chunks of one direction that are under way, at most
)

// conn is one connection through a link.
type conn struct {
	link *Link
	in   net.Conn
	done chan struct{} // closed by end

	mu    sync.Mutex
	ended bool
	out   net.Conn // nil: the member was not dialed yet
}

// parcel is the bytes of one read, and when they arrive at the other end.
type parcel struct {
	bytes []byte
	due   time.Time
}

// end breaks the connection at both ends.
func (c *conn) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return
	}
	c.ended = true
	close(c.done)
	_ = c.in.Close()
	if c.out != nil {
		_ = c.out.Close()
	}
}

func (c *conn) run() {
	defer c.link.remove(c)
	defer c.end()
	if !c.passable() || !c.dial() {
		return
	}
	var wg sync.WaitGroup
	for _, way := range [][2]net.Conn{{c.in, c.out}, {c.out, c.in}} {
		queue := make(chan parcel, onTheLine)
		wg.Go(func() { c.read(way[0], queue) })
		wg.Go(func() { c.write(way[1], queue) })
	}
	wg.Wait()
}

func (c *conn) dial() bool {
	out, err := net.Dial("tcp", c.link.target)
	if err != nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out = out
	if c.ended {
		_ = out.Close()
	}
	return !c.ended
}

func (c *conn) read(from net.Conn, queue chan<- parcel) {
	defer close(queue)
	buf := make([]byte, chunk)
	var busy time.Time
	for {
		n, err := from.Read(buf)
		if n > 0 {
			var p parcel
			p.bytes = bytes.Clone(buf[:n])
			p.due, busy = c.link.pace(n, busy)
			select {
			case queue <- p:
			case <-c.done:
				return
			}
		}
		if err != nil || !c.until(busy) {
			return
		}
	}
}

// write delivers what is due, and then the end of it.
func (c *conn) write(to net.Conn, queue <-chan parcel) {
	defer c.end()
	for p := range queue {
		if !c.until(p.due) || !c.passable() {
			return
		}
		n := c.link.spend(len(p.bytes))
		_, err := to.Write(p.bytes[:n])
		c.link.spent()
		if err != nil {
			return
		}
	}
	c.passable() // the end is as silent as the rest
}

// until waits until a point in time. It is false when the connection ended before.
func (c *conn) until(t time.Time) bool {
	wait := time.Until(t)
	if wait <= 0 {
		return true
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-c.done:
		return false
	}
}

// passable waits until bytes pass. It is false when the connection ended before.
func (c *conn) passable() bool {
	select {
	case <-c.link.flowing():
		return true
	case <-c.done:
		return false
	}
}
