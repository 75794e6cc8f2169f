package attacker

import (
	"context"
	"fmt"
	"io"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/multiformats/go-varint"
)

var pubsubProtocols = []protocol.ID{pubsub.GossipSubID_v11, pubsub.GossipSubID_v10}

// discard reads a stream to its end: whatever comes, it is not answered.
func discard(s network.Stream) {
	_, _ = io.Copy(io.Discard, s)
	_ = s.Close()
}

// subscribe says by pubsub that this peer is on some topics.
func (p *Peer) subscribe(ctx context.Context, id peer.ID, topics ...string) error {
	rpc := &pb.RPC{}
	yes := true
	for i := range topics {
		rpc.Subscriptions = append(rpc.Subscriptions, &pb.RPC_SubOpts{Subscribe: &yes, Topicid: &topics[i]})
	}
	return p.rpc(ctx, id, rpc)
}

// rpc sends one message of pubsub on the one stream that a target reads, which stays open.
func (p *Peer) rpc(ctx context.Context, id peer.ID, rpcs ...*pb.RPC) error {
	if p.host == nil {
		return ErrStranger
	}
	p.publishing.Lock()
	defer p.publishing.Unlock()
	s := p.pubsub[id]
	if s == nil || s.Conn().IsClosed() {
		var err error
		if s, err = p.host.NewStream(ctx, id, pubsubProtocols...); err != nil {
			return fmt.Errorf("pubsub: %w", err)
		}
		p.pubsub[id] = s
	}
	_ = s.SetWriteDeadline(time.Now().Add(patience))
	for _, rpc := range rpcs {
		b, err := rpc.Marshal()
		if err != nil {
			return fmt.Errorf("pubsub: %w", err)
		}
		if _, err := s.Write(append(varint.ToUvarint(uint64(len(b))), b...)); err != nil {
			_ = s.Reset()
			delete(p.pubsub, id)
			return fmt.Errorf("pubsub: %w", err)
		}
	}
	return nil
}
