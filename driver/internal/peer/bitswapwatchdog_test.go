package peer_test

import (
	"bytes"
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ipfs/boxo/bitswap/network/bsnet"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/control"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	libpeer "github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/multiformats/go-multiaddr"
	"github.com/multiformats/go-multihash"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer"
)

// visitor is a peer of the private network that is no registry.
type visitor struct {
	host.Host
	cuts atomic.Int64 // of connections

	onAccept atomic.Pointer[func()]
}

// newVisitor speaks the protocols, saying nothing, and is connected to s.
func newVisitor(t *testing.T, s *station, speaks ...protocol.ID) *visitor {
	t.Helper()
	var k visitor
	h, err := libp2p.New(libp2p.PrivateNetwork(bytes.Repeat([]byte{7}, 32)),
		libp2p.ListenAddrs(loopback(0)), libp2p.DisableRelay(), libp2p.ConnectionGater(gater{&k}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	k.Host = h
	for _, proto := range speaks {
		h.SetStreamHandler(proto, func(network.Stream) {})
	}
	h.Network().Notify(&network.NotifyBundle{DisconnectedF: func(network.Network, network.Conn) { k.cuts.Add(1) }})
	if err := h.Connect(t.Context(), s.info(t, s.Addrs()...)); err != nil {
		t.Fatal(err)
	}
	return &k
}

func (k *visitor) connected(t *testing.T, s *station) bool {
	return k.Network().Connectedness(s.id(t)) == network.Connected
}

// gater calls onAccept of a visitor in the midst of a handshake.
type gater struct{ k *visitor }

func (gater) InterceptPeerDial(libpeer.ID) bool                      { return true }
func (gater) InterceptAddrDial(libpeer.ID, multiaddr.Multiaddr) bool { return true }
func (g gater) InterceptAccept(network.ConnMultiaddrs) bool {
	if f := g.k.onAccept.Load(); f != nil {
		(*f)()
	}
	return true
}
func (gater) InterceptSecured(network.Direction, libpeer.ID, network.ConnMultiaddrs) bool {
	return true
}
func (gater) InterceptUpgraded(network.Conn) (bool, control.DisconnectReason) { return true, 0 }

func nowhere(t *testing.T) cid.Cid {
	t.Helper()
	mh, err := multihash.Sum([]byte(t.Name()), multihash.SHA2_256, -1)
	if err != nil {
		t.Fatal(err)
	}
	return cid.NewCidV1(cid.Raw, mh)
}

// requireNoBlock asks for a block that no peer has, for long enough to connect anew.
func requireNoBlock(t *testing.T, ctx context.Context, s *station) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if b, err := s.Block(ctx, nowhere(t)); err == nil {
		t.Fatalf("got %d bytes", len(b))
	}
}

func TestWatchdogCutsFew(t *testing.T) {
	a := newStation(t)
	a.start(t, nil)
	other := newVisitor(t, a, "/other/1.0.0")
	var kubos []*visitor
	for range 5 {
		kubos = append(kubos, newVisitor(t, a, bsnet.ProtocolBitswap))
	}
	cuts := func() (n int64) {
		for _, k := range kubos {
			n += k.cuts.Load()
		}
		return n
	}
	requireNoBlock(t, t.Context(), a)
	eventually(t, "some were cut and all are connected", func() bool {
		for _, k := range append(kubos, other) {
			if !k.connected(t, a) {
				return false
			}
		}
		return cuts() > 0
	})
	if cuts() > 3 {
		t.Errorf("%d connections cut", cuts())
	}
	if other.cuts.Load() > 0 {
		t.Error("who speaks no bitswap is cut off")
	}
}

// The caller that wants a block gives up in the midst of connecting anew.
func TestWatchdogLeavesNobodyCutOff(t *testing.T) {
	a := newStation(t)
	a.start(t, nil)
	kubos := []*visitor{newVisitor(t, a, bsnet.ProtocolBitswap), newVisitor(t, a, bsnet.ProtocolBitswap)}
	ctx, giveUp := context.WithCancel(t.Context())
	given := func() { giveUp() }
	for _, k := range kubos {
		k.onAccept.Store(&given)
	}
	requireNoBlock(t, ctx, a)
	eventually(t, "somebody is connected to anew", func() bool { return ctx.Err() != nil })
	eventually(t, "both are connected", func() bool { return kubos[0].connected(t, a) && kubos[1].connected(t, a) })
}

// A registry that is just joining is a visitor, too, until it is seen on the topic.
func TestWatchdogSparesJoiningPeers(t *testing.T) {
	a := newStation(t)
	a.start(t, nil)
	for spared := false; !spared; { // on a busy machine it may not be just joining any more
		began := time.Now()
		b := newVisitor(t, a, bsnet.ProtocolBitswap, "/distribution-ipfs/members/1.0.0")
		requireNoBlock(t, t.Context(), a)
		spared = b.cuts.Load() == 0
		if !spared && time.Since(began) < peer.AdmitGrace {
			t.Fatal("it is cut off")
		}
	}
}
