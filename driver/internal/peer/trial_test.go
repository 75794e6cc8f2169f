package peer

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// comesAndGoes has a peer be a member for a moment.
func comesAndGoes(r *roster, id peer.ID, from netip.Addr, useful bool) {
	r.subscribed(id, true, true)
	r.seenAt(id, from)
	r.said(id, words{addrs: tcpAt("198.51.100.1/tcp/4619"), trust: trustsAll})
	if useful {
		r.confirm(id)
	}
	r.connected(id, false)
}

func forgetAll(r *roster, ids []peer.ID) {
	for _, id := range ids {
		r.drop(id)
	}
}

// TestIdentitiesCostLittle: 400 of one site that were members for a moment, and of no use. Few
// are kept in mind, dialed seldom, and forgotten after a day. Those that were of use stay.
func TestIdentitiesCostLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoster("self")
		r.begin(time.Now())
		for i := range 400 {
			comesAndGoes(r, nth("sybil", i), far, false)
			comesAndGoes(r, nth("member", i), far, true)
		}
		forgetAll(r, r.tooMany())
		if n := len(r.members()); n != 400+maxTrialsOfSite {
			t.Errorf("%d are kept in mind", n)
		}
		dials := 0
		for end := time.Now().Add(time.Minute); time.Now().Before(end); {
			due, next := r.due(time.Now())
			for _, c := range due {
				if c.trial {
					dials++
				}
				r.dialed(c, away, nil)
			}
			time.Sleep(min(next, time.Second))
		}
		if dials > 10 { // all say that they are at one port
			t.Errorf("those of no use are dialed %d times in a minute", dials)
		}
		if ids := r.unused(time.Now().Add(trialTime-2*time.Minute), trialTime); len(ids) > 0 {
			t.Errorf("%d are forgotten too soon", len(ids))
		}
		forgetAll(r, r.unused(time.Now().Add(trialTime), trialTime))
		if n := len(r.members()); n != 400 {
			t.Errorf("%d are kept in mind after a day", n)
		}
	})
}

// TestTrustedMembersAreNotOnTrial, and of those that are not trusted nobody waits for one that
// was of no use.
func TestTrustedMembersAreNotOnTrial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoster("self")
		r.lists.set("self", Lists{Trusted: []peer.ID{"trusted"}})
		r.begin(time.Now())
		for _, id := range []peer.ID{"trusted", "useful", "useless"} {
			comesAndGoes(r, id, far, id == "useful")
		}
		for i := range 2 * maxAwayOfSite {
			comesAndGoes(r, nth("other", i), far, true)
		}
		kept := func(id peer.ID) bool { _, ok := r.saving(id, time.Now()); return ok }
		if !kept("trusted") || !kept("useful") || kept("useless") {
			t.Error("it writes down the wrong ones")
		}
		for _, id := range r.tooMany() {
			if id == "trusted" {
				t.Error("one that trustedpeers names is one too many")
			}
		}
		for _, m := range r.members() {
			if m.ID == "trusted" && !m.Confirmed {
				t.Error("one that trustedpeers names has to be of use first")
			}
		}
		time.Sleep(candidateTime)
		if ids := r.unused(time.Now(), trialTime); len(ids) != 1 || ids[0] != "useless" {
			t.Errorf("of no use: %v", ids)
		}
	})
}

// TestAllThatIsKeptInMindIsBounded, also of those that were of use.
func TestAllThatIsKeptInMindIsBounded(t *testing.T) {
	r := newRoster("self")
	for i := range 2 * maxAway {
		from := netip.AddrFrom4([4]byte{10, 0, byte(i / 1000), 1})
		comesAndGoes(r, nth("member", i), from, true)
		if i < 2*maxTrials {
			comesAndGoes(r, nth("sybil", i), from, false)
		}
	}
	r.subscribed("here", true, true)
	forgetAll(r, r.tooMany())
	useful, useless := 0, 0
	for _, m := range r.members() {
		if m.Confirmed {
			useful++
		} else if !m.Connected {
			useless++
		}
	}
	if useful != maxAway || useless != 0 || !r.isMember("here") {
		t.Errorf("%d are of use, %d are not", useful, useless)
	}
}

// TestBeingOfUseIsRemembered, and members of earlier releases count as of use.
func TestBeingOfUseIsRemembered(t *testing.T) {
	r, again := newRoster("self"), newRoster("self")
	for id, useful := range map[peer.ID]bool{"useful": true, "useless": false} {
		comesAndGoes(r, id, far, useful)
		m, ok := r.saving(id, time.Now())
		if !ok {
			t.Fatalf("%s is not written down", id)
		}
		again.recall(id, m, moment{}, time.Now())
	}
	again.recall("earlier", remembered{Version: 1}, moment{}, time.Now())
	for _, m := range again.members() {
		if m.Confirmed == (m.ID == "useless") {
			t.Errorf("%s: %v", m.ID, m.Confirmed)
		}
		if e := again.records[m.ID]; m.ID != "earlier" && !e.site.Contains(far) {
			t.Errorf("%s is of %s", m.ID, e.site)
		}
	}
}
