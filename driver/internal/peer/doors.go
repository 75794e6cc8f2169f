package peer

import (
	"net"
	"net/netip"
	"sync"
)

const (
	maxHandshakes     = 256 // at once, from everywhere
	maxHandshakesFrom = 64  // at once, from one address: members may share one
)

// doors bounds the handshakes under way, which strangers can begin, so that one
// address cannot take all of them. Who finds no door is turned away at once: a
// member then uses a stream.
type doors struct {
	mu   sync.Mutex
	from map[netip.Prefix]int
	all  int
}

func (d *doors) enter(a net.Addr) bool {
	src := source(a)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.all >= maxHandshakes || d.from[src] >= maxHandshakesFrom {
		return false
	}
	if d.from == nil {
		d.from = map[netip.Prefix]int{}
	}
	d.all++
	d.from[src]++
	return true
}

func (d *doors) leave(a net.Addr) {
	src := source(a)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.all--
	if d.from[src]--; d.from[src] == 0 {
		delete(d.from, src)
	}
}

// source is whom an address counts for: an IPv6 site has a /64 at least.
func source(a net.Addr) netip.Prefix {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	ip := tcp.AddrPort().Addr().Unmap()
	bits := 64
	if ip.Is4() {
		bits = 32
	}
	src, err := ip.Prefix(bits)
	if err != nil { // not an address at all
		return netip.Prefix{}
	}
	return src
}
