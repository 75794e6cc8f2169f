package peer

import "github.com/libp2p/go-libp2p/core/peer"

// KeepsMember says whether connections to a peer are kept, as a member's, when the
// connection manager trims.
func (p *Peer) KeepsMember(id peer.ID) bool { return p.host.ConnManager().IsProtected(id, memberTag) }

// ReadCapabilities is what is taken of a list that a peer said.
var ReadCapabilities = readCapabilities
