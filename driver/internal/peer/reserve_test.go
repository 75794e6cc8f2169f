package peer

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// TestWhichRelaysAreAsked: as many as are to be held, again before their time is over, and those that refuse later.
func TestWhichRelaysAreAsked(t *testing.T) {
	r, now := newReservations(), time.Now()
	relays := []peer.ID{"a", "b", "c", "d", "e"}
	asked := func(now time.Time, want ...peer.ID) {
		t.Helper()
		if got := r.due(relays, now); !slices.Equal(got, want) {
			t.Errorf("%v are asked, not %v", got, want)
		}
	}
	asked(now, "a", "b", "c")
	if !r.ended("a", nil, now) || r.ended("b", errors.New("it has no room"), now) || !r.ended("c", nil, now) {
		t.Error("which are new")
	}
	asked(now, "d")
	if r.ended("d", nil, now); !slices.Equal(r.at(), []peer.ID{"a", "c", "d"}) {
		t.Errorf("held: %v", r.at())
	}
	asked(now.Add(reserveAgain + time.Second))
	later := now.Add(reservationTime/2 + time.Second)
	asked(later, "a", "c", "d")
	if r.ended("a", nil, later) {
		t.Error("one that is renewed is new")
	}
	relays = []peer.ID{"a", "b", "e"} // the others relay no more
	asked(later, "b", "e")
	r.lost("a") // and is connected afresh
	asked(later, "a", "b", "e")
}

// TestWhenAStraightWayIsTried: some seconds after a member came by way of another, and less and less often.
func TestWhenAStraightWayIsTried(t *testing.T) {
	due, now := map[peer.ID]again{}, time.Now()
	if got := straighten(due, []peer.ID{"a"}, now); len(got) != 0 {
		t.Errorf("%v at once", got)
	}
	var last time.Duration
	for range 10 {
		wait := due["a"].at.Sub(now)
		if wait <= last && wait < straightenLast || wait > straightenLast*5/4 {
			t.Fatalf("%s after %s", wait, last)
		}
		if got := straighten(due, []peer.ID{"a"}, now.Add(wait-1)); len(got) != 0 {
			t.Fatalf("%v too early", got)
		}
		now, last = now.Add(wait), wait
		if got := straighten(due, []peer.ID{"a"}, now); !slices.Equal(got, []peer.ID{"a"}) {
			t.Fatalf("%v after %s", got, wait)
		}
	}
	if straighten(due, nil, now); len(due) != 0 {
		t.Error("one that is reached straight is kept in mind")
	}
}
