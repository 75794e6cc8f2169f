package lease_test

import (
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/lease"
)

func TestReliancesAreAwaitedUpToANumber(t *testing.T) {
	var r lease.Reliances
	a, b := r.Begin(), r.Begin()
	upTo := r.Begun()
	c := r.Begin()
	r.End(a)
	if r.Settled(upTo) {
		t.Error("settled while the second is under way")
	}
	r.End(b)
	r.End(b)
	if !r.Settled(upTo) || r.Settled(r.Begun()) {
		t.Errorf("the third one counts for those before it, or not for itself")
	}
	r.End(c)
	if !r.Settled(r.Begun()) {
		t.Error("not settled, though all have ended")
	}
}

// TestRunningTimeCountsNoStops: a reading that comes late was late because nothing ran.
func TestRunningTimeCountsNoStops(t *testing.T) {
	now := time.Now()
	c := lease.NewClock(lease.Moment(time.Hour), now)
	for _, s := range []struct{ after, counts time.Duration }{
		{30 * time.Second, 30 * time.Second},
		{lease.MaxGap, lease.MaxGap},
		{30 * time.Hour, lease.MaxGap}, // suspended
		{-time.Second, 0},
	} {
		was := c.Read(now)
		now = now.Add(s.after)
		if got := c.Read(now).Sub(was); got != s.counts {
			t.Errorf("after %s %s count, not %s", s.after, got, s.counts)
		}
	}
}

func TestExpired(t *testing.T) {
	first := map[string][]string{"/same": {"1-a", "2-b"}, "/fewer": {"1-a", "2-b"}, "/renewed": {"1-a"}, "/both": {"1-a"}, "/used": {"3-c"}}
	m := lease.NewMark(7, 9, maps.All(first))
	first["/same"][0] = "changed by the caller"
	second := map[string][]string{"/same": {"2-b", "1-a"}, "/fewer": {"2-b"}, "/renewed": {"4-b"}, "/both": {"1-a", "4-b"}, "/new": {"1-a"}}
	got := maps.Collect(m.Expired(maps.All(second)))
	if want := map[string][]string{"/same": {"2-b", "1-a"}, "/fewer": {"2-b"}}; !reflect.DeepEqual(got, want) {
		t.Errorf("%v may go, not %v", got, want)
	}
}

func TestWaits(t *testing.T) {
	m := lease.NewMark(lease.Moment(time.Hour), 50, maps.All(map[string][]string(nil)))
	after := m.At + 1
	heard := map[string]lease.Hearing{
		"ok": {after, 50}, "more": {after, 90}, "before the mark": {m.At, 90}, "for another mark": {after, 49},
	}
	known := append(slices.Collect(maps.Keys(heard)), "never")
	until, missing := m.Waits(after, 6*time.Hour, slices.Values(known), heard)
	if until != lease.Moment(7*time.Hour) || !slices.Equal(missing, []string{"before the mark", "for another mark", "never"}) {
		t.Errorf("until %s, for %q", time.Duration(until), missing)
	}
}

func TestKnown(t *testing.T) {
	known := lease.Known("me", []string{"member", "both"},
		map[string]uint64{"both": 3, "writer": 5, "gone": 7, "back": 9}, map[string]uint64{"gone": 7, "back": 8, "member": 4})
	if want := []string{"back", "both", "me", "member", "writer"}; !slices.Equal(known, want) {
		t.Errorf("known are %q, not %q", known, want)
	}
}

func TestBytesMayGo(t *testing.T) {
	const grace = 4 * time.Hour
	last, late := lease.Moment(time.Hour), lease.Moment(2*time.Hour)
	known := slices.Values([]string{"a", "b"})
	heard := map[string]lease.Hearing{"a": {Asked: last + 1}, "b": {Asked: last + 1}}
	if !lease.BytesMayGo(last, late, grace, known, heard) {
		t.Error("they stay after a quarter grace, with everybody heard")
	}
	if lease.BytesMayGo(last, late-1, grace, known, heard) {
		t.Error("they go before a quarter grace is over")
	}
	heard["b"] = lease.Hearing{Asked: last}
	if lease.BytesMayGo(last, late, grace, known, heard) {
		t.Error("they go though b was not asked since")
	}
}

func TestMissing(t *testing.T) {
	refs := []lease.Ref{{Path: "/gone"}, {Path: "/here", Here: true}, {Path: "/alive", Alive: true, Here: true}}
	manifests := []lease.Manifest{
		{Writer: "forgotten", Counter: 8, Refs: refs},
		{Writer: "forgotten", Counter: 7, Refs: []lease.Ref{{Path: "/seen", Here: true}}},
		{Writer: "other", Counter: 9, Refs: []lease.Ref{{Path: "/deleted", Here: true}}},
	}
	got := slices.Collect(lease.Missing(map[string]uint64{"forgotten": 7}, slices.Values(manifests)))
	if !slices.Equal(got, []string{"/here"}) {
		t.Errorf("%q are written anew", got)
	}
}
