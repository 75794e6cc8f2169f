package peer

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// TestListsDifferForAWhile until it is said: a list that changes comes to all within seconds.
func TestListsDifferForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoster("self")
		for _, id := range []peer.ID{"same", "other", "silent", "away"} {
			r.subscribed(id, true, true)
		}
		r.said("same", words{trust: trustsAll})
		r.said("other", words{trust: "of another list"})
		r.said("away", words{trust: "of another list"})
		r.connected("away", false)
		expect := func(what string, want ...peer.ID) {
			t.Helper()
			if ids := r.disagreeing(time.Now()); !slices.Equal(ids, want) {
				t.Errorf("%s: %q", what, ids)
			}
		}
		expect("at first")
		time.Sleep(disagreeTime / 2)
		expect("for less than a while")
		time.Sleep(disagreeTime / 2)
		expect("for a while", "other")
		r.lists.set("self", Lists{Trusted: []peer.ID{"same"}})
		r.relisted()
		expect("with another list")
		time.Sleep(disagreeTime / 2)
		r.beat("same", &heartbeatMsg{Format: 1, Trust: r.lists.digest(), Capacity: new(int64)}, time.Now())
		r.said("other", words{trust: r.lists.digest()})
		time.Sleep(disagreeTime)
		expect("when all have it")
	})
}
