package peer

import (
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/transport"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	"github.com/libp2p/go-libp2p/p2p/transport/websocket"
	manet "github.com/multiformats/go-multiaddr/net"
)

// handshakeTime is how long a connection that comes in may take until its peer is known.
// libp2p's own bound is 15 s, and 60 s for a part of it, and cannot be set.
const handshakeTime = 5 * time.Second

// door is libp2p's upgrader, for listeners whose connections are closed when they take longer.
type door struct{ transport.Upgrader }

// GateMaListener implements transport.Upgrader.
func (d door) GateMaListener(l manet.Listener) transport.GatedMaListener {
	return doorway{d.Upgrader.GateMaListener(l)}
}

type doorway struct{ transport.GatedMaListener }

// Accept implements transport.GatedMaListener.
func (d doorway) Accept() (manet.Conn, network.ConnManagementScope, error) {
	c, scope, err := d.GatedMaListener.Accept()
	if guarded, ok := scope.(*connScope); ok && err == nil {
		guarded.closeAfter(handshakeTime, func() { _ = c.Close() })
	}
	return c, scope, err
}

// newTCP is libp2p's transport without SO_REUSEPORT where it listens: with it a second process would get half of
// the connections instead of an error.
func (m *mappings) newTCP(u transport.Upgrader, limits network.ResourceManager) (*tcp.TcpTransport, error) {
	return tcp.NewTCPTransport(door{u}, limits, nil, tcp.DisableReuseport(), tcp.WithDialerForAddr(m.dialer))
}

func newWebSocket(u transport.Upgrader, m network.ResourceManager) (*websocket.WebsocketTransport, error) {
	return websocket.New(door{u}, m, nil)
}
