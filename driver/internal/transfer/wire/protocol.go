package wire

import (
	"context"
	"net"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// Protocol is the stream protocol that HTTP runs over.
const Protocol protocol.ID = "/distribution-ipfs/blobs/1.0.0"

// Swarm is how members are reached. The Peer of package driver/internal/peer implements it.
type Swarm interface {
	// Dial opens a stream to a member.
	Dial(context.Context, peer.ID, protocol.ID) (net.Conn, error)
	// DialData connects to a member's data port.
	DialData(context.Context, peer.ID) (net.Conn, error)
	// HasData reports whether a member has said that it has a data port.
	HasData(peer.ID) bool
}
