package peer

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/multiformats/go-multiaddr"
)

// TestReconnectIntervals: a member that is connected and not on the topic is reconnected less
// and less often, and as at first again once it was on the topic.
func TestReconnectIntervals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoster("self")
		r.recall("member", remembered{Seen: time.Now()}, moment{}, time.Now())
		afresh := func() time.Duration {
			r.connected("member", true)
			began := time.Now()
			for len(r.estranged(time.Now())) == 0 {
				time.Sleep(time.Second)
			}
			r.connected("member", false)
			return time.Since(began)
		}
		for range 2 {
			for want := unsubscribedWait; want < 2*longAway; want *= 2 {
				if took := afresh(); took != min(want, longAway) {
					t.Errorf("after %s, not after %s", took, min(want, longAway))
				}
			}
			if took := afresh(); took != longAway {
				t.Errorf("at last after %s", took)
			}
			r.subscribed("member", true, true)
			if ids := r.estranged(time.Now().Add(longAway)); len(ids) > 0 {
				t.Error("one that is on the topic is connected to afresh")
			}
			r.subscribed("member", false, true)
			r.connected("member", false)
		}
	})
}

// TestCandidatesAreDropped after a time in which they did not become members. Those that did
// stay.
func TestCandidatesAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoster("self")
		at := []multiaddr.Multiaddr{multiaddr.StringCast("/ip4/127.0.0.1/tcp/1")}
		r.heard(near, "member", at, nil, nil)
		r.subscribed("member", true, true)
		r.connected("member", false)
		r.heard(near, "named", at, nil, nil)
		r.subscribed("gone", true, false)
		time.Sleep(subscribedTime)
		r.dropCandidates(time.Now())
		if r.records["gone"] != nil {
			t.Error("one that has only subscribed is kept")
		}
		time.Sleep(candidateTime - subscribedTime - 1)
		r.dropCandidates(time.Now())
		if len(r.records) != 2 {
			t.Errorf("%d are known", len(r.records))
		}
		time.Sleep(time.Nanosecond)
		r.dropCandidates(time.Now())
		if len(r.records) != 1 || r.records["member"] == nil {
			t.Errorf("%d are known in the end", len(r.records))
		}
	})
}
