package driver_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/crane"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"github.com/libp2p/go-libp2p"
	libpeer "github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	"github.com/multiformats/go-multiaddr"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
)

// TestPeers shows a trusted member, whose blobs come by its data port, a peer that is no member, one
// that goes away, and a bootstrapper that does not answer.
func TestPeers(t *testing.T) {
	t.Parallel()
	key := drivertest.Key(t)
	named := func(name string, bootstrappers ...string) driver.Parameters {
		p := drivertest.Parameters(t, key)
		p.Name, p.Bootstrappers = name, bootstrappers
		return p
	}
	attic := drivertest.Start(t, named("attic"))
	nobody := "12D3KooWQEQ1XYqTWLmGMdcnZTSxo8GvNHWTmWa2yBFkR5QkFCWn"
	barn := drivertest.Start(t, named("barn", append(attic.Addresses(), "/ip4/127.0.0.1/tcp/1/p2p/"+nobody)...))
	drivertest.AwaitMesh(t, attic, barn)
	img, err := random.Image(1<<20, 2)
	must(t, err)
	must(t, crane.Push(img, served(t, attic)+"/team/app:1", crane.Insecure))
	drivertest.AwaitAgreement(t, attic, barn)
	got, err := crane.Pull(served(t, barn)+"/team/app:1", crane.Insecure)
	must(t, err)
	must(t, validate.Image(got))
	guest := stranger(t, key, attic)

	of := peersOf(t, attic)
	b := of[barn.Identity().PeerID]
	if !b.Connected || b.Name != "barn" || b.Rank != "trusted" || b.Version == "" || b.Road != "tcp" || b.Dialed || !b.DataPort || b.Address == "" ||
		b.RoundTrip == nil || *b.RoundTrip <= 0 || b.RateIn == nil || b.RateOut == nil || b.LastError != nil || b.Since == nil {
		t.Errorf("barn: %+v", b)
	}
	if b.BytesOut < 2<<20 || b.BytesIn <= 0 || b.BytesIn > 1<<20 { // what it pulled, by the data port
		t.Errorf("%d bytes went there, and %d came", b.BytesOut, b.BytesIn)
	}
	if g := of[guest]; !g.Connected || g.Rank != "connected" || g.Road != "tcp" || g.RoundTrip != nil || g.DataPort || g.Name != "" {
		t.Errorf("one that is no member: %+v", g)
	}
	of = peersOf(t, barn)
	if a := of[attic.Identity().PeerID]; !a.Connected || !a.Dialed || a.BytesIn < 2<<20 {
		t.Errorf("attic: %+v", a)
	}
	if n := of[nobody]; n.Connected || n.Rank != "stranger" || n.Since != nil || n.Address == "" {
		t.Errorf("a bootstrapper that was never met: %+v", n)
	}
	drivertest.Await(t, "it is said why it is not met", func() bool { return peersOf(t, barn)[nobody].LastError != nil })

	attic.Stop()
	drivertest.Await(t, "it is away, and dialed in vain", func() bool {
		a := peersOf(t, barn)[attic.Identity().PeerID]
		return !a.Connected && a.Name == "attic" && a.Rank == "trusted" && a.Road == "" && a.RoundTrip == nil && a.Since != nil && a.LastError != nil
	})
}

// TestThePeersOfOneThatTrustsNobodyElse: a member whose changes do not count is no more than that.
func TestThePeersOfOneThatTrustsNobodyElse(t *testing.T) {
	t.Parallel()
	key := drivertest.Key(t)
	p := drivertest.Parameters(t, key)
	id, err := driver.Identify(t.Context(), p)
	must(t, err)
	p.TrustedPeers = []string{id.PeerID}
	trusted := drivertest.Start(t, p)
	p = drivertest.Parameters(t, key)
	p.Bootstrappers = trusted.Addresses()
	member := drivertest.Start(t, p)
	drivertest.AwaitMesh(t, trusted, member)
	if m := peersOf(t, trusted)[member.Identity().PeerID]; m.Rank != "member" || !m.Connected {
		t.Errorf("%+v", m)
	}
	if m := peersOf(t, member)[trusted.Identity().PeerID]; m.Rank != "trusted" {
		t.Errorf("%+v", m)
	}
}

func peersOf(t *testing.T, m *drivertest.Member) map[string]driver.PeerLink {
	t.Helper()
	all, err := driver.NewClient(m.Params).Peers(t.Context())
	must(t, err)
	of := map[string]driver.PeerLink{}
	for _, p := range all.Peers {
		of[p.PeerID] = p
	}
	if len(of) != len(all.Peers) || all.More != 0 {
		t.Fatalf("peers are %+v", all)
	}
	return of
}

// stranger is connected to a registry, has the protector key, and is on no topic; its peer ID.
func stranger(t *testing.T, key string, to *drivertest.Member) string {
	t.Helper()
	psk := make([]byte, 32)
	_, err := fmt.Sscanf(key, "%x", &psk)
	must(t, err)
	h, err := libp2p.New(libp2p.PrivateNetwork(psk), libp2p.Transport(tcp.NewTCPTransport), libp2p.NoListenAddrs, libp2p.DisableMetrics())
	must(t, err)
	t.Cleanup(func() { _ = h.Close() })
	a, err := multiaddr.NewMultiaddr(to.Addresses()[0])
	must(t, err)
	info, err := libpeer.AddrInfoFromP2pAddr(a)
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	must(t, h.Connect(ctx, *info))
	return h.ID().String()
}
