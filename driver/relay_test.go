package driver_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/loopback"
)

// TestTwoThatNobodyCanDial: what is pushed at one is pulled at the other, by way of a third registry that has no copy of it, and
// status and peers say so.
func TestTwoThatNobodyCanDial(t *testing.T) {
	t.Parallel()
	key := drivertest.Key(t)
	p := drivertest.Parameters(t, key)
	p.Relay = true
	relay := drivertest.Start(t, p)
	var ends []*drivertest.Member
	for range 2 {
		p := drivertest.Parameters(t, key)
		p.DataAddrs, p.Bootstrappers = nil, relay.Addresses()
		nowhere, err := loopback.FreeAddr()
		if err != nil {
			t.Fatal(err)
		}
		host, port, _ := strings.Cut(nowhere, ":")
		p.AnnounceAddrs = []string{"/ip4/" + host + "/tcp/" + port} // where it does not listen
		ends = append(ends, drivertest.Start(t, p))
	}
	a, b := ends[0], ends[1]
	drivertest.AwaitMesh(t, relay, a, b)
	content := randomBytes(t, 3<<20)
	pushBlob(t, a, content)
	drivertest.Await(t, "its path is there", func() bool {
		_, err := b.Stat(t.Context(), pathOf(content))
		return err == nil
	})
	if got := get(t, b, pathOf(content)); !bytes.Equal(got, content) {
		t.Error("other bytes")
	}
	if has(relay, content) {
		t.Error("the relay has a copy of what it passed on")
	}
	by := relay.Identity().PeerID
	for _, m := range b.Status(t.Context()).Members {
		if want := map[bool]string{true: by}[m.PeerID == a.Identity().PeerID]; m.Relay != want || m.DataPort {
			t.Errorf("status: %s by way of %q", m.PeerID, m.Relay)
		}
	}
	for _, l := range b.Peers(t.Context()).Peers {
		if l.PeerID == a.Identity().PeerID && (l.Relay != by || l.Road != "relay") {
			t.Errorf("peers: %+v", l)
		}
	}
}
