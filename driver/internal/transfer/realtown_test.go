package transfer

import (
	"bytes"
	"net"
	"testing"

	badger "github.com/ipfs/go-ds-badger"

	blockstore "github.com/ipfs/boxo/blockstore"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/network"
	libpeer "github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"
	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer"
)

// way is how the members of a town reach each other.
type way int

const (
	plainTCP    way = iota // plain TCP in place of streams
	realStreams            // libp2p's streams, between real peers without a data port
	realData               // the data port of real peers, with streams besides
)

// realPeer is the real peer of a house. It is a type of its own so that a house does not get its
// methods.
type realPeer struct{ *peer.Peer }

// eachWay runs a test over every way that bytes can take, each time with the better ways closed,
// and checks that they took it. On a machine that is too busy for a handshake in time, transfers
// rightly go over streams instead of the data port.
func eachWay(t *testing.T, f func(t *testing.T, town *town)) {
	t.Helper()
	for name, w := range map[string]way{"TCP": plainTCP, "streams": realStreams, "data port": realData} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			town := &town{way: w}
			f(t, town)
			byData := int64(0)
			for _, r := range town.registries {
				byData += r.transfers.DataIn()
			}
			if !town.slowPort.Load() {
				require.Equal(t, w == realData, byData > mib/2, "%d bytes came by data ports", byData)
			}
		})
	}
}

// newReal makes a peer of a private network, which has the other peers as bootstrappers.
func (town *town) newReal(t *testing.T, key crypto.PrivKey) *realPeer {
	t.Helper()
	options := badger.DefaultOptions
	options.SyncWrites = false
	db, err := badger.NewDatastore(t.TempDir(), &options)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	logger, _ := test.NewNullLogger()
	anyPort := []multiaddr.Multiaddr{multiaddr.StringCast("/ip4/127.0.0.1/tcp/0")}
	cfg := peer.Config{
		Key: key, PSK: bytes.Repeat([]byte{3}, 32), Topic: "t", Listen: anyPort,
		Store: db, Blocks: blockstore.NewBlockstore(db), Log: logrus.NewEntry(logger),
	}
	if town.way == realData {
		cfg.DataListen = anyPort
	}
	for _, h := range town.houses {
		infos, err := libpeer.AddrInfosFromP2pAddrs(h.real.Addrs()...)
		require.NoError(t, err)
		cfg.Bootstrappers = append(cfg.Bootstrappers, infos...)
	}
	p, err := peer.New(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return &realPeer{p}
}

// settle starts the peer of a new house, and waits until it and all others know
// each other and their data ports.
func (h *house) settle() {
	h.t.Helper()
	if h.real == nil {
		return
	}
	require.NoError(h.t, h.real.Start())
	eventually(h.t, func() bool {
		for _, other := range h.town.houses {
			if other != h && (!h.knows(other) || !other.knows(h)) {
				return false
			}
		}
		return true
	}, "they do not meet")
}

func (h *house) knows(other *house) bool {
	return h.real.IsMember(other.id) && (h.town.way != realData || h.real.HasData(other.id))
}

// sever breaks a connection of a member that dies. A stream is reset, as if the peer were gone.
func sever(c net.Conn) {
	if s, ok := c.(network.Stream); ok {
		_ = s.Reset()
		return
	}
	_ = c.Close()
}

// gatedListener accepts a real peer's connections, and has them pass the gate of its house.
type gatedListener struct {
	net.Listener
	h *house
}

// Accept implements net.Listener. A house that is killed cannot be reached.
func (l *gatedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.h.address() == "" {
			sever(c)
			continue
		}
		_, _ = l.h.note(c, nil)
		return &gated{Conn: c, h: l.h}, nil
	}
}
