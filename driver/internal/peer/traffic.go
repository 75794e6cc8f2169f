package peer

import (
	"net"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/libp2p/go-libp2p/core/metrics"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// maxCounted is of how many peers bytes are counted, those that were heard or told anything last.
// There are never as many connections.
const maxCounted = 4096

// flow is what went to and from a peer.
type flow struct{ in, out atomic.Int64 }

// traffic counts bytes by peer: of the streams of libp2p, which tells it as its metrics.Reporter,
// and of connections to data ports. libp2p's own counter keeps meters of every peer that ever
// was, and works each second.
type traffic struct{ of *lru.Cache[peer.ID, *flow] }

func newTraffic() *traffic {
	of, _ := lru.New[peer.ID, *flow](maxCounted) // it fails only when the size is not positive
	return &traffic{of}
}

func (t *traffic) flow(id peer.ID) *flow {
	if f, ok := t.of.Get(id); ok {
		return f
	}
	f := &flow{}
	if other, ok, _ := t.of.PeekOrAdd(id, f); ok { // somebody came between
		return other
	}
	return f
}

// LogSentMessageStream implements metrics.Reporter.
func (t *traffic) LogSentMessageStream(n int64, _ protocol.ID, id peer.ID) { t.flow(id).out.Add(n) }

// LogRecvMessageStream implements metrics.Reporter.
func (t *traffic) LogRecvMessageStream(n int64, _ protocol.ID, id peer.ID) { t.flow(id).in.Add(n) }

// GetBandwidthForPeer implements metrics.Reporter; there are no rates.
func (t *traffic) GetBandwidthForPeer(id peer.ID) (s metrics.Stats) {
	if f, ok := t.of.Peek(id); ok {
		s.TotalIn, s.TotalOut = f.in.Load(), f.out.Load()
	}
	return s
}

// What else a metrics.Reporter has nobody asks.

// LogSentMessage implements metrics.Reporter.
func (t *traffic) LogSentMessage(int64) {}

// LogRecvMessage implements metrics.Reporter.
func (t *traffic) LogRecvMessage(int64) {}

// GetBandwidthForProtocol implements metrics.Reporter.
func (t *traffic) GetBandwidthForProtocol(protocol.ID) (s metrics.Stats) { return s }

// GetBandwidthTotals implements metrics.Reporter.
func (t *traffic) GetBandwidthTotals() (s metrics.Stats) { return s }

// GetBandwidthByPeer implements metrics.Reporter.
func (t *traffic) GetBandwidthByPeer() map[peer.ID]metrics.Stats { return nil }

// GetBandwidthByProtocol implements metrics.Reporter.
func (t *traffic) GetBandwidthByProtocol() map[protocol.ID]metrics.Stats { return nil }

// Reset implements metrics.Reporter.
func (t *traffic) Reset() {}

// TrimIdle implements metrics.Reporter.
func (t *traffic) TrimIdle(time.Time) {}

// counted is a connection to or from a peer's data port, whose bytes are counted as they are
// before encryption.
type counted struct {
	net.Conn
	flow *flow
}

func (t *traffic) count(c net.Conn, id peer.ID) net.Conn { return counted{c, t.flow(id)} }

// Read implements net.Conn.
func (c counted) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.flow.in.Add(int64(n))
	return n, err
}

// Write implements net.Conn.
func (c counted) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.flow.out.Add(int64(n))
	return n, err
}

// dataListener accepts connections whose remote addresses are peer IDs.
type dataListener struct {
	net.Listener
	peer *Peer
}

// Accept implements net.Listener.
func (l dataListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	id, err := peer.Decode(c.RemoteAddr().String())
	if err != nil {
		return c, nil
	}
	c = l.peer.opened.add(l.peer.traffic.count(c, id), id)
	if !l.peer.Allows(id) { // since a moment
		_ = c.Close()
	}
	return c, nil
}
