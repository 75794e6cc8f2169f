package peer

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
)

var near = netip.MustParseAddr("127.0.0.1")

// dialInVain dials what is due, without success, until a time is over. It returns the times
// between the dials of one peer, and how often the others were asked for its addresses.
func dialInVain(r *roster, id peer.ID, d time.Duration) (pauses []time.Duration, searches int) {
	last := time.Now()
	for end := last.Add(d); time.Now().Before(end); {
		due, next := r.due(time.Now())
		for _, t := range due {
			r.dialed(t, away, nil)
			if t.ID == id {
				pauses, last = append(pauses, time.Since(last)), time.Now()
				if t.search {
					searches++
				}
			}
		}
		if len(due) == 0 {
			time.Sleep(next)
		}
	}
	return pauses, searches
}

// TestRedialIntervals: a member is dialed very often for minutes, though without asking the
// others each time, often for an hour, seldom when it has been away for an
// hour, and soon when another member comes back. A peer of the configuration is always dialed
// often.
func TestRedialIntervals(t *testing.T) {
	most := func(d time.Duration) time.Duration { return d * 3 / 2 } // the backoff's jitter is a half
	for name, configured := range map[string]bool{"remembered": false, "configured": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRoster("self")
				r.recall("away", remembered{Addrs: []string{"/ip4/127.0.0.1/tcp/1"}, Seen: time.Now()}, moment{}, time.Now())
				if configured {
					r.keep(peer.AddrInfo{ID: "away"}, true)
				}
				r.keep(peer.AddrInfo{ID: "other"}, false)
				pauses, searches := dialInVain(r, "away", lately)
				for i, pause := range pauses {
					if pause > 2*time.Second {
						t.Errorf("dial %d of the first minutes came after %s", i, pause)
					}
				}
				if most := int(lately/redialShort) + 1; pauses[0] > 0 || searches > most || searches < most/2 {
					t.Errorf("the first dial came after %s, the others were asked %d times", pauses[0], searches)
				}
				pauses, _ = dialInVain(r, "away", longAway-lately)
				for i, pause := range pauses {
					if pause > most(redialShort) {
						t.Errorf("dial %d of the first hour came after %s", i, pause)
					}
				}
				if n := time.Duration(len(pauses)); n < (longAway-lately)/most(redialShort) || n > (longAway-lately)/redialShort*2 {
					t.Errorf("%d dials in the rest of the first hour", n)
				}
				pauses, _ = dialInVain(r, "away", 10*time.Hour)
				if seldom := len(pauses) < int(10*time.Hour/most(redialShort))/2; seldom == configured {
					t.Errorf("%d dials in ten hours", len(pauses))
				}
				for i, pause := range pauses {
					if pause > most(redialLong) {
						t.Errorf("dial %d after the first hour came after %s", i, pause)
					}
				}
				r.connected("other", true)
				r.subscribed("other", true, true)
				if pauses, _ = dialInVain(r, "away", 2*redialSoon); len(pauses) == 0 {
					t.Error("not dialed when another member came back")
				}
			})
		})
	}
}

// TestABootstrapperIsDialedOften while this registry tries to join by it, and all of them at once.
func TestABootstrapperIsDialedOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoster("self")
		for _, id := range []peer.ID{"a", "b", "c"} {
			r.keep(peer.AddrInfo{ID: id, Addrs: []multiaddr.Multiaddr{multiaddr.StringCast("/ip4/127.0.0.1/tcp/1")}}, true)
		}
		if due, _ := r.due(time.Now()); len(due) != 3 {
			t.Fatalf("%d are dialed at once", len(due))
		} else {
			for _, c := range due {
				r.dialed(c, away, nil)
			}
		}
		pauses, _ := dialInVain(r, "a", lately)
		for i, pause := range pauses {
			if pause > 2*time.Second {
				t.Errorf("dial %d came after %s", i, pause)
			}
		}
		pauses, _ = dialInVain(r, "a", time.Hour)
		if n := len(pauses); n > int(2*time.Hour/redialShort) {
			t.Errorf("%d dials in an hour later", n)
		}
	})
}

// TestALostMemberIsDialedAtItsAddresses first: the others, who may have lost it, too, are asked
// later.
func TestALostMemberIsDialedAtItsAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoster("self")
		r.heard(near, "member", []multiaddr.Multiaddr{multiaddr.StringCast("/ip4/127.0.0.1/tcp/1")}, nil, nil)
		r.subscribed("member", true, true)
		r.confirm("member")
		time.Sleep(time.Hour)
		r.connected("member", false)
		if pauses, searches := dialInVain(r, "member", redialShort-2*time.Second); len(pauses) < 6 || searches > 0 {
			t.Errorf("%d dials, and the others were asked %d times", len(pauses), searches)
		}
		if _, searches := dialInVain(r, "member", 4*time.Second); searches != 1 {
			t.Errorf("the others were asked %d times", searches)
		}
	})
}

// away is what is said of a peer that is not connected.
func away() bool { return false }

// TestAConnectionThatEndsWithItsDial: the peer is dialed again, though it was connected when that was asked.
func TestAConnectionThatEndsWithItsDial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoster("self")
		r.keep(peer.AddrInfo{ID: "a", Addrs: []multiaddr.Multiaddr{multiaddr.StringCast("/ip4/127.0.0.1/tcp/1")}}, true)
		due, _ := r.due(time.Now())
		r.connected("a", true)
		noted := make(chan struct{})
		r.dialed(due[0], func() bool {
			if r.mu.TryLock() {
				r.mu.Unlock()
				t.Error("the end of the connection can be noted before the end of the dial")
			}
			go func() {
				defer close(noted)
				r.connected("a", false)
			}()
			return true
		}, nil)
		<-noted
		if pauses, _ := dialInVain(r, "a", time.Minute); len(pauses) < 10 {
			t.Errorf("it is dialed %d times in a minute", len(pauses))
		}
	})
}
