package peer

import (
	"context"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/transport"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	"github.com/libp2p/go-libp2p/p2p/transport/websocket"
	"github.com/multiformats/go-multiaddr"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer/protector"
)

// twoKeys are the ways to reach others while the protector key is changed. libp2p's own protector has the
// next key, and connections of the present one are translated below it.
//
// Circuits are added by it to the host that is made.
func twoKeys(cfg Config, dials *mappings) (opts []libp2p.Option, circuits func(host.Host) error) {
	keys := protector.New(cfg.NextPSK, cfg.PSK)
	var plain transport.Upgrader
	opts = []libp2p.Option{
		libp2p.PrivateNetwork(keys.Host()),
		libp2p.Transport(func(u transport.Upgrader, m network.ResourceManager) (*twoKeysTCP, error) {
			plain = u
			t, err := dials.newTCP(keys.Upgrader(u), m)
			return &twoKeysTCP{t, keys}, err
		}),
		libp2p.Transport(func(u transport.Upgrader, m network.ResourceManager) (*twoKeysWebSocket, error) {
			t, err := newWebSocket(keys.Upgrader(u), m)
			return &twoKeysWebSocket{t, keys}, err
		}),
		libp2p.DisableRelay(),
	}
	return opts, func(h host.Host) error { return addCircuits(h, plain, keys) }
}

type twoKeysTCP struct {
	*tcp.TcpTransport
	keys *protector.Keys
}

// Dial implements transport.Transport.
func (t *twoKeysTCP) Dial(ctx context.Context, at multiaddr.Multiaddr, id peer.ID) (transport.CapableConn, error) {
	return t.DialWithUpdates(ctx, at, id, nil)
}

// DialWithUpdates implements transport.DialUpdater.
func (t *twoKeysTCP) DialWithUpdates(ctx context.Context, at multiaddr.Multiaddr, id peer.ID, updates chan<- transport.DialUpdate) (transport.CapableConn, error) {
	return t.keys.Dial(ctx, func(ctx context.Context) (transport.CapableConn, error) {
		return t.TcpTransport.DialWithUpdates(ctx, at, id, updates)
	})
}

type twoKeysWebSocket struct {
	*websocket.WebsocketTransport
	keys *protector.Keys
}

// Dial implements transport.Transport.
func (t *twoKeysWebSocket) Dial(ctx context.Context, at multiaddr.Multiaddr, id peer.ID) (transport.CapableConn, error) {
	return t.keys.Dial(ctx, func(ctx context.Context) (transport.CapableConn, error) {
		return t.WebsocketTransport.Dial(ctx, at, id)
	})
}
