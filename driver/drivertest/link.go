package drivertest

import (
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/loopback"
)

// Link is the only way to a member: a forwarder of TCP on loopback whose address
// the member announces instead of its own. All methods are safe for concurrent
// use; what they set holds for both directions and every connection.
type Link struct {
	target string
	l      net.Listener

	mu     sync.Mutex
	closed bool
	cut    bool
	left   int64         // bytes until the link cuts itself; negative: it does not
	passed int64         // bytes that went through
	turned int           // connections that were refused
	delay  time.Duration // of everything that is read from now on
	rate   int64         // bytes per second of one direction of a connection; 0: no limit
	flow   chan struct{} // closed while bytes pass
	conns  map[*conn]struct{}
	wg     sync.WaitGroup
}

// StartLinked starts a registry that others reach only through its link. It has no data
// port, which would bypass the link.
func StartLinked(t testing.TB, p driver.Parameters, opts ...Option) (*Member, *Link) {
	t.Helper()
	target, err := loopback.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	link := newLink(t, target)
	p.DataAddrs = nil
	p.ListenAddrs, p.AnnounceAddrs = []string{tcpAddr(target)}, []string{tcpAddr(link.l.Addr().String())}
	return Start(t, p, opts...), link
}

// LinkTo starts a link to an address, for what is no Member. Others reach it at addr.
func LinkTo(t testing.TB, target string) (link *Link, addr string) {
	t.Helper()
	link = newLink(t, target)
	return link, link.l.Addr().String()
}

func newLink(t testing.TB, target string) *Link {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	link := &Link{target: target, l: l, left: -1, flow: make(chan struct{}), conns: map[*conn]struct{}{}}
	close(link.flow)
	link.wg.Go(link.accept)
	t.Cleanup(link.close)
	return link
}

func tcpAddr(hostport string) string {
	host, port, _ := strings.Cut(hostport, ":")
	return "/ip4/" + host + "/tcp/" + port
}

// Cut breaks all connections through the link and refuses new ones, or lets them
// through again.
func (l *Link) Cut(cut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.setCut(cut)
}

func (l *Link) setCut(cut bool) {
	l.cut, l.left = cut, -1
	if cut {
		for c := range l.conns {
			c.end()
		}
	}
}

// CutAfter cuts the link once n more bytes have passed, both directions counted.
func (l *Link) CutAfter(n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.setCut(false)
	l.left = n
}

// IsCut reports whether the link is cut, by Cut or by CutAfter.
func (l *Link) IsCut() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cut
}

// Passed is how many bytes went through the link, both directions counted.
func (l *Link) Passed() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.passed
}

// Refused is how many connections were refused because the link was cut.
func (l *Link) Refused() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.turned
}

// Blackhole lets nothing through and breaks nothing: connections stay open and silent, and
// new ones hang. Bytes that were sent meanwhile arrive when it ends, as TCP retransmits
// what a network dropped.
func (l *Link) Blackhole(on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.flow:
		if on {
			l.flow = make(chan struct{})
		}
	default:
		if !on {
			close(l.flow)
		}
	}
}

// Delay makes everything arrive that much later, in each direction. It takes no bandwidth:
// bytes that are on their way do not hold up those that follow.
func (l *Link) Delay(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.delay = d
}

// Throttle bounds each direction of a connection to so many bytes per second.
func (l *Link) Throttle(rate int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rate = rate
}

func (l *Link) close() {
	_ = l.l.Close()
	l.mu.Lock()
	l.closed = true
	l.setCut(true)
	l.mu.Unlock()
	l.wg.Wait()
}

func (l *Link) accept() {
	for {
		in, err := l.l.Accept()
		if err != nil {
			return
		}
		c := &conn{link: l, in: in, done: make(chan struct{})}
		if !l.add(c) {
			c.end()
			continue
		}
		l.wg.Go(c.run)
	}
}

// add takes a connection, unless the link is cut.
func (l *Link) add(c *conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cut || l.closed {
		l.turned++
		return false
	}
	l.conns[c] = struct{}{}
	return true
}

func (l *Link) remove(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, c)
}

// pace computes when bytes that are read now are due at the other end, given that the
// direction is busy until free, and until when they keep it busy.
func (l *Link) pace(n int, free time.Time) (due, busy time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	busy = time.Now()
	if l.rate > 0 {
		if free.After(busy) {
			busy = free
		}
		busy = busy.Add(time.Duration(n) * time.Second / time.Duration(l.rate))
	}
	return busy.Add(l.delay), busy
}

// spend counts bytes that are about to pass, and returns how many of them may.
func (l *Link) spend(n int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.left >= 0 {
		n = min(n, int(l.left))
		l.left -= int64(n)
	}
	l.passed += int64(n)
	return n
}

// spent cuts the link if CutAfter's bytes have passed.
func (l *Link) spent() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.left == 0 {
		l.setCut(true)
	}
}

func (l *Link) flowing() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.flow
}
