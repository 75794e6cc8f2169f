package pathmap_test

import (
	"bytes"
	"encoding/json"
	"net"
	"sync"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
)

// lists watches which lists members are asked for, and cuts each connection at its third.
type lists struct {
	mu    sync.Mutex
	first []uint64 // the priority at which the first list of a connection begins
}

type listConn struct {
	net.Conn
	of    *lists
	asked int
}

func (c *listConn) Write(b []byte) (int, error) {
	at := bytes.IndexByte(b, '{')
	var req struct {
		Op       string
		Priority uint64
	}
	if at < 0 || json.Unmarshal(b[at:], &req) != nil || req.Op != "list" {
		return c.Conn.Write(b)
	}
	if c.asked++; c.asked == 1 {
		c.of.mu.Lock()
		c.of.first = append(c.of.first, req.Priority)
		c.of.mu.Unlock()
	}
	if c.asked == 3 {
		_ = c.Close()
	}
	return c.Conn.Write(b)
}

// TestAnInterruptedHistoryIsReadOn from where it was. A registry comes back with an old copy of its
// disk, and with a write of its own that nobody has seen: a head at the very bottom, until it has
// merged all that was written since.
func TestAnInterruptedHistoryIsReadOn(t *testing.T) {
	const deltas = 700
	f := newFabric(t)
	a, b := f.add("a"), f.add("b")
	put(t, a, "/common", "1")
	agree(t, a, b)
	f.loseAll.Store(true)
	f.isolate(b.id, true)
	put(t, b, "/lost", "1")
	write(t, a, deltas, 1, "p")
	seen := &lists{}
	f.wrap = func(_ peer.ID, conn net.Conn) net.Conn { return &listConn{Conn: conn, of: seen} }
	f.isolate(b.id, false)
	eventually(t, "it has read everything", func() bool { return b.m.View().Len() == deltas+2 })
	seen.mu.Lock()
	defer seen.mu.Unlock()
	if len(seen.first) < 3 {
		t.Fatalf("it was interrupted only at %d", seen.first)
	}
	for i, from := range seen.first[1:] {
		if from <= seen.first[i] {
			t.Errorf("an exchange reads from %d on, after one that began at %d", from, seen.first[i])
		}
	}
}
