package peer_test

import (
	"slices"
	"testing"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer"
)

func TestWhenBootstrappersAreWarnedOf(t *testing.T) {
	const s, m, h = time.Second, time.Minute, time.Hour
	for _, c := range []struct {
		name   string
		sleep  time.Duration
		joined bool
		want   []time.Duration
	}{
		{name: "alone", want: []time.Duration{10 * s, m, 10 * m, h, 2 * h, 3 * h, 4 * h}},
		{name: "joined by way of another", joined: true, want: []time.Duration{10 * s}},
		{name: "slept", sleep: 3 * h, want: []time.Duration{3 * h, 4 * h}},
	} {
		if got := peer.WarningsWithin(4*h, c.sleep, c.joined); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
