package simulate_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/simulate"
	bytes "github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/schedule/simulate"
)

// mib is also the size of a leaf.
const mib = 1 << 20

// TestAPushIsPulledByAll has a push reach all members while half of the announcements are lost, and each
// pull its blob as soon as it has heard of it. The maps and the schedules are real; they play one after
// the other, on clocks of their own.
func TestAPushIsPulledByAll(t *testing.T) {
	if testing.Short() {
		t.Skip("it computes for some ten seconds: make simulate")
	}
	const members, leaves = 200, 64
	var heard []time.Duration
	play(t, simulate.Config{Members: members, Seed: 1, Loss: 0.5}, func(t *testing.T, s *simulate.Swarm) {
		require.NoError(t, s.Push(t.Context(), 0, image(0)))
		time.Sleep(within)
		spread(t, s, members, 0)
		heard = s.Arrivals(image(0)[9])
	})
	synctest.Test(t, func(t *testing.T) {
		link := bytes.Link{Up: 16 * mib, Down: 16 * mib, Latency: 5 * time.Millisecond}
		s := bytes.New(1, leaves)
		s.Holder(link)
		for _, after := range heard[1:] {
			s.PullerAt(link, after)
		}
		r := s.Run(2 * time.Minute)
		t.Logf("%d members hear of a push within %v, and pull its %d MiB over links of 16 MiB/s: %s", members, heard[members-1].Round(time.Millisecond), leaves, r)
		require.Zero(t, r.Unfinished)
		require.LessOrEqual(t, r.Last, heard[members-1]+8*time.Duration(leaves)*time.Second/16, "the last has it late")
		require.LessOrEqual(t, r.Sent, 3.0, "the holder sends it many times")
	})
}
