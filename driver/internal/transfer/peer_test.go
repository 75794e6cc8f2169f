package transfer

import (
	"bytes"
	"context"
	"crypto/rand"
	"testing"

	badger "github.com/ipfs/go-ds-badger"
	"github.com/libp2p/go-libp2p/core/crypto"
	libpeer "github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"
	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer"
)

// newPeered makes a registry on a real libp2p peer of a private network.
func newPeered(t *testing.T, bootstrap ...libpeer.AddrInfo) (*peer.Peer, *blob.Store, *Transfers) {
	t.Helper()
	return newPeeredWith(t, func(*peer.Config) {}, bootstrap...)
}

func newPeeredWith(t *testing.T, change func(*peer.Config), bootstrap ...libpeer.AddrInfo) (*peer.Peer, *blob.Store, *Transfers) {
	t.Helper()
	return newTimed(t, timingFor(3*stall), change, bootstrap...)
}

func newTimed(t *testing.T, times timing, change func(*peer.Config), bootstrap ...libpeer.AddrInfo) (*peer.Peer, *blob.Store, *Transfers) {
	t.Helper()
	times.Stall, times.Trickle = patient, patient
	dir := t.TempDir()
	options := badger.DefaultOptions
	db, err := badger.NewDatastore(t.TempDir(), &options)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	logger, _ := test.NewNullLogger()
	log := logrus.NewEntry(logger)
	blobs, err := blob.Open(dir, db, log)
	require.NoError(t, err)
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	require.NoError(t, err)
	cfg := peer.Config{
		Key: key, PSK: bytes.Repeat([]byte{3}, 32), Topic: "t", Bootstrappers: bootstrap,
		Listen: []multiaddr.Multiaddr{multiaddr.StringCast("/ip4/127.0.0.1/tcp/0")},
		Store:  db, Blocks: blobs.Blockstore(), Log: log,
	}
	change(&cfg)
	p, err := peer.New(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	transfers, err := start(Config{Blobs: blobs, Swarm: p, Budget: p.Budget(), Stall: 3 * stall, Log: log}, times)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, transfers.Close()) })
	require.NoError(t, p.Start())
	return p, blobs, transfers
}

func TestOverRealPeers(t *testing.T) {
	a, holds, _ := newPeered(t)
	addrs, err := libpeer.AddrInfosFromP2pAddrs(a.Addrs()...)
	require.NoError(t, err)
	b, gets, transfers := newPeered(t, addrs...)
	eventually(t, func() bool { return len(a.Connected()) == 1 && len(b.Connected()) == 1 }, "they do not meet")
	content := random(50, 24*mib+5)
	ref, err := holds.Put(t.Context(), content)
	require.NoError(t, err)
	body, err := transfers.Open(context.Background(), ref, 0)
	require.NoError(t, err)
	readExactly(t, body, content)
	require.NoError(t, body.Close())
	require.NoError(t, transfers.Fetch(t.Context(), ref))
	require.True(t, gets.Has(ref.CID))
}
