package peer_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"sync"
	"testing"
	"time"

	ipfslite "github.com/hsanjuan/ipfs-lite"
	"github.com/ipfs/boxo/blockstore"
	"github.com/ipfs/boxo/ipld/merkledag"
	"github.com/libp2p/go-libp2p"
	dht "github.com/libp2p/go-libp2p-kad-dht"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	libpeer "github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer"
)

// stranger is a peer of the private network that is no registry and speaks bitswap.
type stranger struct {
	host.Host
	*ipfslite.Peer

	mu      sync.Mutex
	deaf    bool   // to its first connection
	first   string // connection
	ignored int    // streams of it
}

// newStranger is connected to a registry's peer.
func newStranger(t *testing.T, to *station, change ...func(*stranger)) *stranger {
	t.Helper()
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	h, err := libp2p.New(libp2p.Identity(key), libp2p.PrivateNetwork(bytes.Repeat([]byte{7}, 32)),
		libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"), libp2p.DisableMetrics())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	routes, err := dht.New(t.Context(), h, dht.Mode(dht.ModeClient))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = routes.Close() })
	s := &stranger{Host: h}
	for _, f := range change {
		f(s)
	}
	s.Peer, err = ipfslite.New(t.Context(), ipfslite.NewInMemoryDatastore(), nil, hardOfHearing{h, s}, routes, &ipfslite.Config{ReprovideInterval: -1})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Connect(t.Context(), libpeer.AddrInfo{ID: to.id(t), Addrs: stripped(t, to)}); err != nil {
		t.Fatal(err)
	}
	return s
}

// hardOfHearing is a stranger's host as its bitswap uses it.
type hardOfHearing struct {
	host.Host
	s *stranger
}

func (h hardOfHearing) SetStreamHandler(proto protocol.ID, f network.StreamHandler) {
	h.Host.SetStreamHandler(proto, func(stream network.Stream) {
		if !h.s.hears(stream.Conn().ID()) {
			_, _ = io.Copy(io.Discard, stream)
			return
		}
		f(stream)
	})
}

func (s *stranger) hears(conn string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.first == "" {
		s.first = conn
	}
	if s.deaf && s.first == conn {
		s.ignored++
		return false
	}
	return true
}

// TestBitswapAsksAgainOnANewConnection: what is wanted is ignored until the registry
// connects anew.
func TestBitswapAsksAgainOnANewConnection(t *testing.T) {
	t.Parallel()
	a := newStation(t)
	a.start(t, nil)
	s := newStranger(t, a, func(s *stranger) { s.deaf = true })
	block := merkledag.NewRawNode([]byte("what nobody else has"))
	if err := s.Add(t.Context(), block); err != nil {
		t.Fatal(err)
	}
	const patience = 5 * time.Second // of the first want
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	began := time.Now()
	got, err := a.Block(ctx, block.Cid())
	if err != nil || !bytes.Equal(got, block.RawData()) {
		t.Fatalf("%q, %v", got, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ignored == 0 || time.Since(began) < patience {
		t.Errorf("it came after %s, %d streams of the first connection were ignored", time.Since(began), s.ignored)
	}
}

// TestBitswapStartsWhenItIsUsed: by a stranger, which has been connected for long, or by this
// peer, which asks a stranger that has; members do not use it.
func TestBitswapStartsWhenItIsUsed(t *testing.T) {
	t.Parallel()
	a, b := newStation(t), newStation(t)
	a.start(t, nil)
	b.start(t, func(c *peer.Config) { c.Bootstrappers = []libpeer.AddrInfo{a.info(t, stripped(t, a)...)} })
	eventually(t, "they are members", func() bool { return a.IsMember(b.id(t)) && b.IsMember(a.id(t)) })
	s := newStranger(t, a)
	theirs := merkledag.NewRawNode([]byte("what only the stranger has"))
	if err := s.Add(t.Context(), theirs); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	if a.SpeaksBitswap() || b.SpeaksBitswap() {
		t.Error("bitswap has started though nobody has used it")
	}
	if got, err := a.Block(ctx, theirs.Cid()); err != nil || !bytes.Equal(got, theirs.RawData()) {
		t.Fatalf("%q, %v", got, err)
	}
	ours := merkledag.NewRawNode([]byte("what only a registry has"))
	if err := blockstore.NewBlockstore(b.store).Put(ctx, ours); err != nil {
		t.Fatal(err)
	}
	other := newStranger(t, b)
	if got, err := other.Get(ctx, ours.Cid()); err != nil || !bytes.Equal(got.RawData(), ours.RawData()) {
		t.Fatalf("%v, %v", got, err)
	}
	if !b.SpeaksBitswap() {
		t.Error("it answers without bitswap")
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	if _, err := a.Block(ctx, theirs.Cid()); err == nil {
		t.Error("a closed peer gets blocks")
	}
}
