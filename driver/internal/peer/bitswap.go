package peer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
)

// ErrNoStranger reports that only members are connected, and no other peer.
var ErrNoStranger = errors.New("no peer other than members is connected")

// bitswapPatience is how long a want may stay unanswered when its context has no deadline.
const bitswapPatience = 10 * time.Second

// Block gets a block by bitswap from the connected peers that are no members, such as a
// Kubo in the private network; nothing is stored. The bytes match c. A want that is
// unanswered after half of ctx's time is canceled and sent again, on new connections if
// other wants get nothing either: bitswap can lose a want for good, and only that helps.
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
	got := p.blocks.Load()
	b, err := p.want(first, c)
	if err == nil || ctx.Err() != nil {
		return b, err
	}
	if p.blocks.Load() == got {
		p.renew(ctx, strangers)
	}
	second, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return p.want(second, c)
}

func (p *Peer) want(ctx context.Context, c cid.Cid) ([]byte, error) {
	l, err := p.bitswap()
	if err != nil {
		return nil, err
	}
	b, err := l.Exchange().GetBlock(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("bitswap: %w", err)
	}
	p.blocks.Add(1)
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
