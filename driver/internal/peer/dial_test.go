package peer

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// dialInVain dials what is due, without success, until a time is over. It returns the times
// between the dials of one peer.
func dialInVain(r *roster, id peer.ID, d time.Duration) (pauses []time.Duration) {
	last := time.Now()
	for end := last.Add(d); time.Now().Before(end); {
		due, next := r.due(time.Now())
		for _, t := range due {
			r.dialed(t.ID, false, false)
			if t.ID == id {
				pauses, last = append(pauses, time.Since(last)), time.Now()
			}
		}
		if len(due) == 0 {
			time.Sleep(next)
		}
	}
	return pauses
}

// TestRedialIntervals: a member is dialed often at first, seldom when it has been away for an
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
				pauses := dialInVain(r, "away", longAway)
				for i, pause := range pauses {
					if pause > most(redialShort) {
						t.Errorf("dial %d of the first hour came after %s", i, pause)
					}
				}
				if pauses[0] > 0 || len(pauses) < int(longAway/most(redialShort)) {
					t.Errorf("%d dials in the first hour, the first after %s", len(pauses), pauses[0])
				}
				pauses = dialInVain(r, "away", 10*time.Hour)
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
				if len(dialInVain(r, "away", 2*redialSoon)) == 0 {
					t.Error("not dialed when another member came back")
				}
			})
		})
	}
}
