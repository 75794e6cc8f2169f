package peer_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ipfs/boxo/bitswap/message"
	bitswap "github.com/ipfs/boxo/bitswap/message/pb"
	"github.com/ipfs/boxo/bitswap/network/bsnet"
	blockstore "github.com/ipfs/boxo/blockstore"
	"github.com/ipfs/boxo/ipld/merkledag"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/multiformats/go-varint"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/limit"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer"
)

// counted is a blockstore that counts how often it is asked.
type counted struct {
	blockstore.Blockstore
	asked atomic.Int64
}

func (c *counted) Has(ctx context.Context, id cid.Cid) (bool, error) {
	c.asked.Add(1)
	return c.Blockstore.Has(ctx, id)
}

func (c *counted) GetSize(ctx context.Context, id cid.Cid) (int, error) {
	c.asked.Add(1)
	return c.Blockstore.GetSize(ctx, id)
}

// TestUnknownWantsCostLittle: a stranger wants 20,000 blocks that are not here, a few at a time.
// They are looked up once at most, bitswap keeps none of them, and the first are answered.
func TestUnknownWantsCostLittle(t *testing.T) {
	t.Parallel()
	a := newStation(t)
	store := &counted{Blockstore: blockstore.NewBlockstore(a.store)}
	here := merkledag.NewRawNode([]byte("what is here"))
	if err := store.Put(t.Context(), here); err != nil {
		t.Fatal(err)
	}
	a.start(t, func(c *peer.Config) { c.Blocks = store })
	h := newAttacker(t, a)
	denied, got := make(chan cid.Cid, 1<<16), make(chan blocks.Block, 1)
	h.SetStreamHandler(bsnet.ProtocolBitswap, func(s network.Stream) { readBitswap(s, denied, got) })
	s := h.open(bsnet.ProtocolBitswap)
	defer func() { _ = s.Reset() }()
	_ = s.SetWriteDeadline(time.Now().Add(within))
	const wants, inOne = 20000, 20
	for i := 0; i < wants; i += inOne {
		m := message.New(false)
		for j := range inOne {
			unknown := merkledag.NewRawNode([]byte{byte(i), byte(i >> 8), byte(j), 'x'})
			m.AddEntry(unknown.Cid(), 1, bitswap.Message_Wantlist_Block, true)
		}
		if err := m.ToNetV1(s); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "what is too much is refused", func() bool {
		for _, r := range a.Budget().Refused() {
			if r.What == limit.Wants && r.Count > 0 {
				return true
			}
		}
		return false
	})
	if len(denied) == 0 {
		t.Error("none is answered")
	}
	eventually(t, "what is here is sent in the end", func() bool {
		m := message.New(false)
		m.AddEntry(here.Cid(), 1, bitswap.Message_Wantlist_Block, true)
		if err := m.ToNetV1(s); err != nil {
			t.Fatal(err)
		}
		select {
		case b := <-got:
			return b.Cid().Equals(here.Cid())
		case <-time.After(100 * time.Millisecond):
			return false
		}
	})
	if kept := a.WantsOf(h.ID()); len(kept) > 1 {
		t.Errorf("bitswap keeps %d wants", len(kept))
	}
	if n := store.asked.Load(); n > wants/2 {
		t.Errorf("%d blocks are looked up", n)
	}
}

// readBitswap takes what is said on a stream of bitswap.
func readBitswap(s network.Stream, denied chan<- cid.Cid, got chan<- blocks.Block) {
	defer func() { _ = s.Close() }()
	for {
		m, _, err := message.FromNet(s)
		if err != nil {
			return
		}
		for _, c := range m.DontHaves() {
			denied <- c
		}
		for _, b := range m.Blocks() {
			got <- b
		}
	}
}

// TestLargeBitswapMessagesAreFew: messages that are said to be large and do not end take no more
// memory than a few of them, however many streams of a peer they come on.
func TestLargeBitswapMessagesAreFew(t *testing.T) {
	t.Parallel()
	a := newStation(t)
	a.start(t, nil)
	h := newAttacker(t, a)
	const streams, most = 24, 8
	for range streams {
		s := h.open(bsnet.ProtocolBitswap)
		if _, err := s.Write(varint.ToUvarint(network.MessageSizeMax)); err != nil {
			t.Fatal(err)
		}
	}
	refused := func() (n int64) {
		for _, r := range a.Budget().Refused() {
			if r.What == limit.BitswapMessages {
				n += r.Count
			}
		}
		return n
	}
	eventually(t, "what is too much is refused", func() bool { return refused() == streams-most })
	if n := a.Budget().Bound(limit.BitswapMessages).Len(); n != most {
		t.Errorf("%d are read", n)
	}
}
