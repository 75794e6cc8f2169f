package protector

import (
	"context"
	"sync/atomic"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/pnet"
	"github.com/libp2p/go-libp2p/core/transport"
	manet "github.com/multiformats/go-multiaddr/net"
)

// Size is that of a protector key, in bytes.
const Size = 32

// Keys are the two keys that a host speaks. It is safe for concurrent use.
type Keys struct{ host, other [Size]byte }

// New makes a pair of keys, each of Size: that of libp2p's own protector, which is dialed with
// first, and the other one.
func New(host, other pnet.PSK) *Keys {
	return &Keys{host: [Size]byte(host), other: [Size]byte(other)}
}

// Host is the key of libp2p's own protector.
func (k *Keys) Host() pnet.PSK { return k.host[:] }

// Upgrader is an upgrader of a host with the key Host, whose connections speak either key.
func (k *Keys) Upgrader(u transport.Upgrader) transport.Upgrader { return upgrader{u, k} }

// Dial connects by dial, with the host's key, and once more with the other key when the other end
// does not show that it has the first. dial is a transport's, which uses Upgrader and passes its context on.
func (k *Keys) Dial(ctx context.Context, dial func(context.Context) (transport.CapableConn, error)) (transport.CapableConn, error) {
	var first attempt
	c, err := dial(context.WithValue(ctx, attemptKey{}, &first))
	if err == nil || ctx.Err() != nil || !first.refused.Load() {
		return c, err
	}
	return dial(context.WithValue(ctx, attemptKey{}, &attempt{other: true}))
}

// attempt is one dial, with one key.
type attempt struct {
	other   bool        // it is the other key
	refused atomic.Bool // the other end was reached, and has not shown that it has this key
}

type attemptKey struct{}

// upgrader puts a conn below libp2p's protector.
type upgrader struct {
	transport.Upgrader
	keys *Keys
}

// Upgrade implements transport.Upgrader.
func (u upgrader) Upgrade(ctx context.Context, t transport.Transport, c manet.Conn, dir network.Direction, p peer.ID, scope network.ConnManagementScope) (transport.CapableConn, error) {
	if dir == network.DirInbound {
		return u.Upgrader.Upgrade(ctx, t, accepted(u.keys, c), dir, p, scope)
	}
	a, ok := ctx.Value(attemptKey{}).(*attempt)
	if !ok {
		a = &attempt{}
	}
	return u.Upgrader.Upgrade(ctx, t, dialed(u.keys, c, a), dir, p, scope)
}

// UpgradeListener implements transport.Upgrader.
func (u upgrader) UpgradeListener(t transport.Transport, l manet.Listener) transport.Listener {
	return u.UpgradeGatedMaListener(t, u.GateMaListener(l))
}

// UpgradeGatedMaListener implements transport.Upgrader.
func (u upgrader) UpgradeGatedMaListener(t transport.Transport, l transport.GatedMaListener) transport.Listener {
	return u.Upgrader.UpgradeGatedMaListener(t, listener{l, u.keys})
}

type listener struct {
	transport.GatedMaListener
	keys *Keys
}

// Accept implements transport.GatedMaListener.
func (l listener) Accept() (manet.Conn, network.ConnManagementScope, error) {
	c, scope, err := l.GatedMaListener.Accept()
	if err != nil {
		return nil, scope, err
	}
	return accepted(l.keys, c), scope, nil
}
