package driver_test

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"testing"

	ipfslite "github.com/hsanjuan/ipfs-lite"
	"github.com/libp2p/go-libp2p"
	dht "github.com/libp2p/go-libp2p-kad-dht"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
)

// newStranger is a peer of the private network that is no registry and serves
// content by bitswap alone, as a Kubo does.
func newStranger(t *testing.T, protectorKey, hash string, content []byte, members ...string) {
	t.Helper()
	psk, err := hex.DecodeString(protectorKey)
	must(t, err)
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	must(t, err)
	h, err := libp2p.New(libp2p.Identity(key), libp2p.PrivateNetwork(psk),
		libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"), libp2p.DisableMetrics())
	must(t, err)
	t.Cleanup(func() { _ = h.Close() })
	routes, err := dht.New(t.Context(), h, dht.Mode(dht.ModeClient))
	must(t, err)
	t.Cleanup(func() { _ = routes.Close() })
	lite, err := ipfslite.New(t.Context(), ipfslite.NewInMemoryDatastore(), nil, h, routes, &ipfslite.Config{ReprovideInterval: -1})
	must(t, err)
	_, err = lite.AddFile(t.Context(), bytes.NewReader(content), &ipfslite.AddParams{
		Chunker: "size-1048576", RawLeaves: true, MaxLinks: 1024, HashFun: hash,
	})
	must(t, err)
	infos, err := addrInfos(members)
	must(t, err)
	for _, info := range infos {
		must(t, h.Connect(t.Context(), info))
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func addrInfos(addrs []string) (infos []peer.AddrInfo, err error) {
	for _, a := range addrs {
		info, err := peer.AddrInfoFromString(a)
		if err != nil {
			return nil, err
		}
		infos = append(infos, *info)
	}
	return infos, nil
}

func TestBytesThatNoMemberHoldsComeByBitswap(t *testing.T) {
	for name, blob := range map[string]struct {
		size int
		hash string
	}{
		"many leaves": {5<<20 + 3, "sha2-256"}, "one leaf": {2000, "sha2-256"},
		"many leaves, blake3": {5<<20 + 3, "blake3"}, "one leaf, blake3": {2000, "blake3"},
	} {
		t.Run(name, func(t *testing.T) {
			c := drivertest.Cluster(t, 3)
			c[0].UseHash(blob.hash)
			content := randomBytes(t, blob.size)
			path := pushBlob(t, c[0], content)
			drivertest.AwaitAgreement(t, c...)
			newStranger(t, c[1].Params.ProtectorKey, blob.hash, content, c[1].Addresses()...)
			c[0].Stop()
			if !bytes.Equal(get(t, c[1], path), content) {
				t.Fatal("other bytes arrived")
			}
		})
	}
}

func TestBytesThatNobodyHoldsFailSoonBesideAStranger(t *testing.T) {
	c := drivertest.Cluster(t, 3)
	path := pushBlob(t, c[0], randomBytes(t, 2<<20))
	drivertest.AwaitAgreement(t, c...)
	newStranger(t, c[1].Params.ProtectorKey, "sha2-256", []byte("something else"), c[1].Addresses()...)
	c[0].Stop()
	if _, err := c[1].GetContent(t.Context(), path); err == nil {
		t.Fatal("bytes of nobody")
	}
}
