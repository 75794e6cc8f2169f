package pathmap

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/sirupsen/logrus"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/limit"
)

// TestNobodyGivesWayInVain: an exchange that is one too many of its member, or of its address, ends
// none of others, however idle they are. One that is one too many of all ends an idle one.
func TestNobodyGivesWayInVain(t *testing.T) {
	log := logrus.New()
	log.SetOutput(io.Discard)
	budget := limit.NewBudget(limit.Machine{Memory: 1 << 30, Descriptors: 512}, logrus.NewEntry(log))
	all := served{bound: budget.Bound(limit.PathExchanges)} // 16 of members, 4 of each and of an address
	admit := func(id, address string) (*answering, bool) {
		near, far := net.Pipe()
		t.Cleanup(func() { _ = near.Close(); _ = far.Close() })
		return all.admit(near, limit.Source{
			Peer: peer.ID(id), Address: limit.Address(netip.MustParseAddr(address)), Rank: limit.Member,
		})
	}
	for i := range 8 {
		idle, ok := admit(fmt.Sprint("idle ", i), fmt.Sprintf("192.0.2.%d", i))
		if !ok {
			t.Fatal("there is no room for the first")
		}
		idle.last.Store(0)
	}
	for range 4 {
		if _, ok := admit("greedy", "198.51.100.1"); !ok {
			t.Fatal("a member has less than its share")
		}
	}
	for id, want := range map[string]bool{"greedy": false, "another of its address": true} { // that one gets one of the four
		if _, ok := admit(id, "198.51.100.1"); ok != want || len(all.all) != 12 || all.all[7].last.Load() != 0 {
			t.Errorf("%s: %v, and %d exchanges are left of 12", id, ok, len(all.all))
		}
	}
	for i := range 5 {
		if _, ok := admit(fmt.Sprint("new ", i), fmt.Sprintf("203.0.113.%d", i)); !ok || len(all.all) != min(13+i, 16) {
			t.Errorf("new %d: %v, and %d exchanges", i, ok, len(all.all))
		}
	}
}
