package peer_test

import (
	"errors"
	"testing"
	"time"

	"github.com/multiformats/go-multiaddr"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer"
)

// TestForget has a member forgotten once it is away, over a restart, until it is back.
func TestForget(t *testing.T) {
	a, b := newStation(t), newStation(t)
	port := freePort(t)
	listen := func(c *peer.Config) { c.Listen = []multiaddr.Multiaddr{loopback(port)} }
	a.start(t, listen)
	b.start(t, via(a.info(t, loopback(port))))
	meet(t, a, b)
	ctx := t.Context()
	if err := a.Forget(ctx, b.id(t)); !errors.Is(err, peer.ErrConnected) || len(a.Members()) != 1 {
		t.Errorf("a connected one: %v, %v", err, a.Members())
	}
	if err := a.Forget(ctx, newStation(t).id(t)); !errors.Is(err, peer.ErrUnknownMember) {
		t.Errorf("an unknown one: %v", err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is away", func() bool { return !a.IsMember(b.id(t)) })
	if err := a.Forget(ctx, b.id(t)); err != nil || len(a.Members()) != 0 {
		t.Errorf("%v, %v", err, a.Members())
	}
	restart(t, a, func() { a.start(t, listen) })
	if ms := a.Members(); len(ms) != 0 {
		t.Errorf("after a restart: %v", ms)
	}
	b.start(t, via(a.info(t, loopback(port))))
	meet(t, a, b)
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "its bootstrapper is away", func() bool { return !b.IsMember(a.id(t)) })
	if err := b.Forget(ctx, a.id(t)); err != nil {
		t.Error(err)
	}
	a.start(t, listen)
	meet(t, a, b) // a forgotten bootstrapper is dialed as ever
}

// TestLastSeenOutlivesARestart: of a member that was away, the moment it was lost, and
// of one that was there to the end, the end.
func TestLastSeenOutlivesARestart(t *testing.T) {
	a, b, c := newStation(t), newStation(t), newStation(t)
	port := freePort(t)
	listen := func(c *peer.Config) { c.Listen = []multiaddr.Multiaddr{loopback(port)} }
	a.start(t, listen)
	b.start(t, via(a.info(t, loopback(port))))
	c.start(t, via(a.info(t, loopback(port))))
	meet(t, a, b, c)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "one is away", func() bool { return !a.IsMember(b.id(t)) })
	since := func(s *station) time.Time {
		for _, m := range a.Members() {
			if m.ID == s.id(t) && !m.Connected {
				return m.Since.Truncate(0)
			}
		}
		t.Errorf("not away, or not a member: %+v", a.Members())
		return time.Time{}
	}
	lost := since(b)
	end := time.Now()
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time nothing is new
		a.start(t, listen)
		if got := since(b); !got.Equal(lost) {
			t.Errorf("the one was lost at %s, and it says %s", lost, got)
		}
		if got := since(c); got.Before(end.Truncate(0)) {
			t.Errorf("the other was there at %s, and it says %s", end, got)
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestOnlyTimeWithoutAMemberCounts: neither a long stop nor the clock forgets one.
func TestOnlyTimeWithoutAMemberCounts(t *testing.T) {
	const h = time.Hour
	for _, c := range []struct {
		away, up, expiry time.Duration
		want             bool
	}{
		{away: 0, up: 2 * h, expiry: 720 * h},
		{away: 0, up: 721 * h, expiry: 720 * h, want: true},
		{away: 719 * h, up: 2 * h, expiry: 720 * h, want: true},
		{away: 10000 * h, up: h / 2, expiry: 720 * h}, // it may be met yet
		{away: -5 * h, up: 2 * h, expiry: h, want: true},
	} {
		if got := peer.ExpiresAfter(c.away, c.up, c.expiry); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

// TestWhoWasDrainedIsForgotten once it is away, and is a member again when it comes back. Who only
// says that it is draining may still have what nobody else has.
func TestWhoWasDrainedIsForgotten(t *testing.T) {
	a, gone, draining := newStation(t), newStation(t), newStation(t)
	a.start(t, nil)
	boot := via(a.info(t, stripped(t, a)...))
	says := func(drained bool) func(*peer.Config) {
		return both(boot, beats("", 1, func() peer.Changing { return peer.Changing{Draining: true, Drained: drained} }))
	}
	gone.start(t, says(true))
	draining.start(t, says(false))
	meet(t, a, gone, draining)
	eventually(t, "a has heard both", func() bool {
		_, g := a.saysOf(t, gone)
		_, d := a.saysOf(t, draining)
		return g.Drained && d.Draining && !d.Drained
	})
	for _, s := range []*station{gone, draining} {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "both are away", func() bool { return !a.IsMember(gone.id(t)) && !a.IsMember(draining.id(t)) })
	eventually(t, "one is forgotten", func() bool { return len(a.Members()) < 2 })
	if ms := a.Members(); len(ms) != 1 || ms[0].ID != draining.id(t) {
		t.Errorf("%+v", ms)
	}
	gone.start(t, boot)
	meet(t, a, gone)
}
