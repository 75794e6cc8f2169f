package conns

import (
	"container/list"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
)

// Table knows a server's connections. It is safe for concurrent use.
type Table struct {
	most        int // in all
	mostOf      int // of one address
	mostWaiting int // of one address, likewise

	mu      sync.Mutex
	conns   map[net.Conn]*conn
	waiting *list.List // of *conn: the one that waits longest is first
	addrs   map[netip.Prefix]*address
	closed  map[reason]int
	told    time.Time // when a closed connection was last logged
}

// reason is why a connection was closed.
type reason string

const (
	forOthers  reason = "waiting" // it waited, and others needed its place
	ofAddress  reason = "address" // its address had too many
	nobodyWait reason = "full"    // it was new, and all others were being worked on
)

type conn struct {
	net.Conn
	from    *address
	waits   *list.Element // in Table.waiting; nil: a request of it is worked on
	ofFrom  *list.Element // in from.waiting, likewise
	address netip.Prefix
}

// address is what one address has.
type address struct {
	all     int
	waiting *list.List // of *conn
}

func newTable(most int) *Table {
	return &Table{
		most: most, mostOf: max(1, most*3/4), mostWaiting: max(1, most/4),
		conns: map[net.Conn]*conn{}, waiting: list.New(), addrs: map[netip.Prefix]*address{}, closed: map[reason]int{},
	}
}

// note is the server's ConnState.
func (t *Table) note(c net.Conn, state http.ConnState) {
	t.mu.Lock()
	defer t.mu.Unlock()
	known := t.conns[c]
	switch {
	case state == http.StateNew:
		t.add(c)
	case known == nil: // it was closed here
	case state == http.StateActive:
		t.stopWaiting(known)
	case state == http.StateIdle:
		t.wait(known)
	default:
		t.remove(known)
	}
}

// add takes a new connection in, and closes another one, or that one, when there are too many.
func (t *Table) add(nc net.Conn) {
	c := &conn{Conn: nc, address: source(nc.RemoteAddr())}
	c.from = t.addrs[c.address]
	if c.from == nil {
		c.from = &address{waiting: list.New()}
		t.addrs[c.address] = c.from
	}
	c.from.all++
	t.conns[nc] = c
	t.wait(c)
	switch {
	case c.from.waiting.Len() > t.mostWaiting, c.from.all > t.mostOf:
		t.close(oldest(c.from.waiting), ofAddress)
	case len(t.conns) > t.most && t.waiting.Len() == 1: // which is the new one
		t.close(c, nobodyWait)
	case len(t.conns) > t.most:
		t.close(oldest(t.waiting), forOthers)
	}
}

func oldest(of *list.List) *conn { return of.Front().Value.(*conn) }

func (t *Table) wait(c *conn) {
	t.stopWaiting(c)
	c.waits, c.ofFrom = t.waiting.PushBack(c), c.from.waiting.PushBack(c)
}

func (t *Table) stopWaiting(c *conn) {
	if c.waits != nil {
		t.waiting.Remove(c.waits)
		c.from.waiting.Remove(c.ofFrom)
		c.waits, c.ofFrom = nil, nil
	}
}

func (t *Table) remove(c *conn) {
	t.stopWaiting(c)
	delete(t.conns, c.Conn)
	if c.from.all--; c.from.all == 0 {
		delete(t.addrs, c.address)
	}
}

// close ends a connection at once. Nothing is lost with it: its client has not sent a whole
// request, or has had its answer.
func (t *Table) close(c *conn, why reason) {
	t.remove(c)
	t.closed[why]++
	raw := c.Conn
	if over, ok := raw.(*tls.Conn); ok {
		raw = over.NetConn() // TLS would say farewell, and wait for that
	}
	_ = raw.Close()
	if now := time.Now(); now.Sub(t.told) > time.Minute {
		t.told = now
		logrus.WithField("remote", c.RemoteAddr().String()).Warnf(
			"http: closed a connection, because there are too many (%s): at most %d in all and %d of one address, %d of these waiting; "+
				"shut out who opens them, or raise LimitNOFILE of this registry", why, t.most, t.mostOf, t.mostWaiting)
	}
}

// source is the prefix that an address counts towards: an IPv6 site has at least a /64. What has
// no IP address, such as a unix socket, counts as one.
func source(a net.Addr) netip.Prefix {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	ip := tcp.AddrPort().Addr().Unmap().WithZone("")
	bits := 64
	if ip.Is4() {
		bits = 32
	}
	from, err := ip.Prefix(bits)
	if err != nil { // not an address at all
		return netip.Prefix{}
	}
	return from
}
