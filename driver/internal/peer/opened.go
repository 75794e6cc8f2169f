package peer

import (
	"net"
	"sync"

	"github.com/libp2p/go-libp2p/core/peer"
)

// opened are the connections from and to data ports that are open, by peer: whoever uses them does not
// ask again whether the peer may. It is safe for concurrent use.
type opened struct {
	mu sync.Mutex
	of map[peer.ID]map[*openConn]struct{}
}

// openConn is one of them.
type openConn struct {
	net.Conn
	among *opened
	peer  peer.ID
}

func (o *opened) add(c net.Conn, id peer.ID) net.Conn {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.of == nil {
		o.of = map[peer.ID]map[*openConn]struct{}{}
	}
	if o.of[id] == nil {
		o.of[id] = map[*openConn]struct{}{}
	}
	open := &openConn{c, o, id}
	o.of[id][open] = struct{}{}
	return open
}

// Close implements net.Conn.
func (c *openConn) Close() error {
	c.among.mu.Lock()
	of := c.among.of[c.peer]
	if delete(of, c); len(of) == 0 {
		delete(c.among.of, c.peer)
	}
	c.among.mu.Unlock()
	return c.Conn.Close()
}

// closeOf closes those with a peer.
func (o *opened) closeOf(id peer.ID) {
	o.mu.Lock()
	var all []*openConn
	for c := range o.of[id] {
		all = append(all, c)
	}
	o.mu.Unlock()
	for _, c := range all {
		_ = c.Close() // it is not used any more either way
	}
}
