package engine

import (
	"context"
	"errors"
	"fmt"
	"net"

	libpeer "github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer"
)

// ErrNotMember reports that a registry is not a trusted member, or is not connected now.
var ErrNotMember = errors.New("not a trusted member that is connected")

// SwarmSecrets are what the protector key gives for a purpose, the same on every registry of a private
// network: peer.Peer.Secrets. On the public network and offline there is none.
func (e *Engine) SwarmSecrets(purpose string) [][]byte {
	if e.Peer == nil {
		return nil
	}
	return e.Peer.Secrets(purpose)
}

// KeyFingerprints are those of the protector key and of the next one; none without a private network.
func (e *Engine) KeyFingerprints() []string {
	if e.Peer == nil {
		return nil
	}
	return e.Peer.KeyFingerprints()
}

// ListenMembers accepts connections of a protocol from other members, over the connections
// that members have, encrypted and authenticated at both ends. A connection's remote
// address is a peer ID: ask Trusts about it at each request, since connections outlive
// memberships. Close closes the listener, too.
func (e *Engine) ListenMembers(proto string) (net.Listener, error) {
	if e.Peer == nil {
		return nil, fmt.Errorf("listen for members: %w", errOffline)
	}
	return e.Peer.Listen(protocol.ID(proto))
}

var errOffline = errors.New("this registry is offline")

// DialMember connects to another member that answers a protocol. The error is ErrNotMember
// when that member is not connected, or not trusted.
func (e *Engine) DialMember(ctx context.Context, id, proto string) (net.Conn, error) {
	if !e.Trusts(id) {
		return nil, ErrNotMember
	}
	p, err := libpeer.Decode(id)
	if err != nil {
		return nil, err
	}
	c, err := e.Peer.Dial(ctx, p, protocol.ID(proto))
	if errors.Is(err, peer.ErrNotMember) {
		return nil, ErrNotMember
	}
	return c, err
}

// Trusts reports whether a peer ID is that of a trusted member that is connected now.
func (e *Engine) Trusts(id string) bool {
	p, err := libpeer.Decode(id)
	return err == nil && e.Peer != nil && e.Peer.IsMember(p) && e.Peer.Trusts(p)
}
