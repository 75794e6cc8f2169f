package pathmap

import (
	"fmt"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/limit"
)

// smallBudget has 64 path exchanges, of which 48 are for trusted members, and 4 of one member.
func smallBudget() *limit.Budget {
	return limit.NewBudget(limit.Machine{Memory: 1 << 30, Descriptors: 1 << 10}, quietLog())
}

func quietLog() *logrus.Entry {
	log, _ := logtest.NewNullLogger()
	return logrus.NewEntry(log)
}

// TestWhichExchangeGivesWay to another: of its own member, or of all when there are too many,
// the one that has made no progress for longest, if that is long enough.
func TestWhichExchangeGivesWay(t *testing.T) {
	for name, c := range map[string]struct {
		slots  int
		member func(slot int) string
		newer  string // the member that comes when all slots are taken
	}{
		"of one member": {4, func(int) string { return "a" }, "a"},
		"of all":        {64, func(slot int) string { return fmt.Sprint(slot) }, "newer"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := served{bound: smallBudget().Bound(limit.PathExchanges)}
				ask := func(member string) (a *answering, there net.Conn, ok bool) {
					here, there := net.Pipe()
					t.Cleanup(func() { _, _ = here.Close(), there.Close() })
					a, ok = s.admit(here, limit.Source{Peer: peer.ID(member), Rank: limit.Trusted})
					return a, there, ok
				}
				var all []*answering
				var there []net.Conn
				for slot := range c.slots {
					a, other, ok := ask(c.member(slot))
					if !ok {
						t.Fatalf("slot %d is refused", slot)
					}
					all, there = append(all, a), append(there, other)
				}
				time.Sleep(servedPause - 1)
				if _, _, ok := ask(c.newer); ok {
					t.Fatal("one gives way that was heard lately")
				}
				for slot, a := range all {
					if slot == 1 { // it only takes a part of what is written
						go func() { _, _ = there[slot].Read(make([]byte, 1)) }()
						go func() { _, _ = a.Write(make([]byte, 2)) }()
						continue
					}
					go func() { _, _ = there[slot].Read(make([]byte, 2)) }()
					if _, err := a.Write(make([]byte, 2)); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(time.Nanosecond)
				if _, _, ok := ask(c.newer); !ok {
					t.Fatal("none gives way that makes no progress")
				}
				for slot, a := range all {
					_ = a.SetWriteDeadline(time.Now().Add(-1))
					if _, err := a.Write([]byte{0}); (err.Error() == "io: read/write on closed pipe") != (slot == 1) {
						t.Errorf("slot %d: %v", slot, err)
					}
				}
				if _, _, ok := ask(c.newer); ok {
					t.Error("another gives way at once")
				}
			})
		})
	}
}

// TestWhoKeepsNobodyOut: members that are not trusted take a share, whatever they do, and of
// those of one rank that have several, one gives way at once to a member that has none.
func TestWhoKeepsNobodyOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := served{bound: smallBudget().Bound(limit.PathExchanges)}
		take := func(rank limit.Rank, members, each int) (n int) {
			for i := range members {
				for range each {
					here, there := net.Pipe()
					t.Cleanup(func() { _, _ = here.Close(), there.Close() })
					if _, ok := s.admit(here, limit.Source{Peer: peer.ID(fmt.Sprint(rank, i)), Rank: rank}); ok {
						n++
					}
				}
			}
			return n
		}
		if n := take(limit.Member, 100, 1); n != 16 {
			t.Errorf("%d of untrusted members are answered", n)
		}
		if n := take(limit.Trusted, 12, 5); n != 48 {
			t.Errorf("%d of trusted members are answered", n)
		}
		if n := take(limit.Member, 101, 1); n > 0 {
			t.Errorf("%d more of untrusted members are", n)
		}
		each := map[peer.ID]int{}
		for n := range 20 {
			here, there := net.Pipe()
			defer func() { _, _ = here.Close(), there.Close() }()
			if _, ok := s.admit(here, limit.Source{Peer: peer.ID(fmt.Sprint("new", n)), Rank: limit.Trusted}); !ok {
				t.Errorf("new member %d is refused", n)
			}
		}
		for _, a := range s.all {
			each[a.from.Peer]++
		}
		for n := range 12 {
			if had := each[peer.ID(fmt.Sprint(limit.Trusted, n))]; had < 2 || had > 3 {
				t.Errorf("a member with four has %d left", had)
			}
		}
		if len(s.all) != 64 || s.bound.Len() != 64 {
			t.Errorf("%d are answered, %d counted", len(s.all), s.bound.Len())
		}
	})
}
