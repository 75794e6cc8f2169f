package peer

import (
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
)

func TestRoadsAreToldByTheirAddress(t *testing.T) {
	for addr, want := range map[string]Road{
		"/ip4/192.0.2.1/tcp/4619":         RoadTCP,
		"/ip4/192.0.2.1/tcp/4619/ws":      RoadWebSocket,
		"/ip4/192.0.2.1/tcp/443/tls/ws":   RoadWebSocket,
		"/ip4/192.0.2.1/udp/4619/quic-v1": RoadQUIC,
		"/ip4/192.0.2.1/udp/4619":         RoadOther,
		"/ip4/192.0.2.1/tcp/1/p2p/QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N/p2p-circuit": RoadRelay,
	} {
		if got := roadOf(multiaddr.StringCast(addr)); got != want {
			t.Errorf("%s: %s, not %s", addr, got, want)
		}
	}
}

// TestBytesAreCountedOfSoManyPeers and no more, those that were heard last.
func TestBytesAreCountedOfSoManyPeers(t *testing.T) {
	c := newTraffic()
	id := func(i int) peer.ID { return peer.ID([]byte{byte(i >> 8), byte(i)}) }
	for i := range maxCounted + 10 {
		c.LogRecvMessageStream(3, "", id(i))
		c.LogSentMessageStream(4, "", id(i))
		c.LogRecvMessageStream(1, "", id(0))
	}
	if n := c.of.Len(); n != maxCounted {
		t.Errorf("of %d peers", n)
	}
	if s := c.GetBandwidthForPeer(id(0)); s.TotalIn != 3+maxCounted+10 || s.TotalOut != 4 {
		t.Errorf("of one that is heard all the time: %+v", s)
	}
	if s := c.GetBandwidthForPeer(id(1)); s.TotalIn != 0 {
		t.Errorf("of one that was heard long ago: %+v", s)
	}
	if s := c.GetBandwidthForPeer(id(maxCounted)); s.TotalIn != 3 || s.TotalOut != 4 {
		t.Errorf("of one that was heard just now: %+v", s)
	}
}
