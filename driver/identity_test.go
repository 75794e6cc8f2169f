package driver_test

import (
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/loopback"
)

// TestAddressesAreOnesThatOthersCanDial whether the registry runs or not, and where
// it listens on no interface in particular.
func TestAddressesAreOnesThatOthersCanDial(t *testing.T) {
	addr, err := loopback.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(addr)
	p := drivertest.Parameters(t, drivertest.Key(t))
	p.ListenAddrs, p.DataAddrs = []string{"/ip4/0.0.0.0/tcp/" + port}, []string{"/ip4/0.0.0.0/tcp/0"}
	before, err := driver.Identify(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	a := drivertest.Start(t, p)
	s := a.Status(t.Context())
	id := a.Identity()
	for _, addrs := range [][]string{before.Addresses, s.Addresses, id.Addresses} {
		slices.Sort(addrs) // a machine names its interfaces in any order
	}
	if !slices.Equal(id.Addresses, before.Addresses) || !slices.Equal(s.Addresses, before.Addresses) {
		t.Errorf("before the start %v, then %v and in status %v", before.Addresses, id.Addresses, s.Addresses)
	}
	if len(s.Addresses) == 0 || len(s.DataAddresses) == 0 {
		t.Fatalf("addresses %v, of the data port %v", s.Addresses, s.DataAddresses)
	}
	for _, addr := range append(s.Addresses, s.DataAddresses...) {
		if strings.HasPrefix(addr, "/ip4/0.0.0.0/") || strings.HasPrefix(addr, "/ip4/127.") && hasInterface(t) {
			t.Errorf("nobody else reaches %s", addr)
		}
	}
	if !strings.HasSuffix(s.Addresses[0], "/tcp/"+port+"/p2p/"+s.PeerID) {
		t.Errorf("address %s", s.Addresses[0])
	}
}

// hasInterface reports whether this machine has any IPv4 address but loopback.
func hasInterface(t *testing.T) bool {
	t.Helper()
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(addrs, func(a net.Addr) bool {
		ip, ok := a.(*net.IPNet)
		return ok && ip.IP.To4() != nil && !ip.IP.IsLoopback()
	})
}

func TestAnnouncedAddressesStandAlone(t *testing.T) {
	p := drivertest.Parameters(t, drivertest.Key(t))
	p.AnnounceAddrs = []string{"/dns4/a.example.org/tcp/4619", "/ip4/127.0.0.1/tcp/1"}
	before, err := driver.Identify(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{p.AnnounceAddrs[0] + "/p2p/" + before.PeerID, p.AnnounceAddrs[1] + "/p2p/" + before.PeerID}
	if got := drivertest.Start(t, p).Addresses(); !slices.Equal(got, want) || !slices.Equal(before.Addresses, want) {
		t.Errorf("running %v, before %v, not %v", got, before.Addresses, want)
	}
}
