package peer

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

func TestWhenBootstrappersAreWarnedOf(t *testing.T) {
	const s, m, h = time.Second, time.Minute, time.Hour
	for _, c := range []struct {
		name   string
		slept  time.Duration // the machine, until the first look
		joined bool
		want   []time.Duration
	}{
		{name: "alone", want: []time.Duration{10 * s, m, 10 * m, h, 2 * h, 3 * h, 4 * h}},
		{name: "joined by way of another", joined: true, want: []time.Duration{10 * s}},
		{name: "slept", slept: 3 * h, want: []time.Duration{3*h + s, 4 * h}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, log := newLoner(t)
				p.roster.keep(peer.AddrInfo{ID: "bootstrapper"}, true)
				p.roster.keep(peer.AddrInfo{ID: "of the DHT"}, false)
				start := time.Now().Add(-c.slept)
				p.roster.begin(start)
				p.roster.met = c.joined
				p.run(p.keepWarning)
				time.Sleep(4*h - c.slept)
				synctest.Wait()
				var at []time.Duration
				for _, e := range log.AllEntries() {
					at = append(at, e.Time.Sub(start))
				}
				if !slices.Equal(at, c.want) {
					t.Errorf("warned after %v, want %v", at, c.want)
				}
			})
		})
	}
}
