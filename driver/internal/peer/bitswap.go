package peer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
)

// ErrNoStranger says that no peer is connected but members.
var ErrNoStranger = errors.New("no other peer than members is connected")

// bitswapPatience is how long a want may get nothing when its context has no
// deadline.
const bitswapPatience = 10 * time.Second

// Block gets a block by bitswap from the connected peers that are no members, a
// Kubo in the private network perhaps; nothing is stored. The bytes are those of c.
// A want that got nothing after half the time ctx gives is cancelled and asked
// again on new connections: bitswap can lose a want for good, and that cures it.
func (p *Peer) Block(ctx context.Context, c cid.Cid) ([]byte, error) {
	strangers := p.strangers()
	if len(strangers) == 0 {
		return nil, fmt.Errorf("bitswap: %w", ErrNoStranger)
	}
	patience := bitswapPatience
	if deadline, ok := ctx.Deadline(); ok {
		patience = time.Until(deadline) / 2
	}
	first, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	b, err := p.want(first, c)
	if err == nil || ctx.Err() != nil {
		return b, err
	}
	p.about(strangers[0]).WithError(err).Debug("bitswap gets nothing: connecting anew")
	for _, id := range strangers {
		p.reconnect(ctx, id)
	}
	second, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return p.want(second, c)
}

func (p *Peer) want(ctx context.Context, c cid.Cid) ([]byte, error) {
	b, err := p.lite.Exchange().GetBlock(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("bitswap: %w", err)
	}
	return b.RawData(), nil
}

// strangers are the connected peers that are no members.
func (p *Peer) strangers() (ids []peer.ID) {
	for _, id := range p.host.Network().Peers() {
		if !p.IsMember(id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// reconnect connects to a peer anew, if it is known where it listens.
func (p *Peer) reconnect(ctx context.Context, id peer.ID) {
	addrs := p.host.Peerstore().Addrs(id)
	if len(addrs) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	_ = p.host.Network().ClosePeer(id)
	if err := p.host.Connect(ctx, peer.AddrInfo{ID: id, Addrs: addrs}); err != nil {
		p.about(id).WithError(err).Debug("cannot connect anew")
	}
}
