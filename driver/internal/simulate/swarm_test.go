package simulate_test

import (
	"crypto/sha256"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/simulate"
)

// within is when all members are to have a push.
const within = 5 * time.Second

func quiet() *logrus.Entry {
	l := logrus.New()
	l.SetOutput(io.Discard)
	return logrus.NewEntry(l)
}

// image gives the paths that a push of an image writes.
func image(n int) (paths []string) {
	for i := range 10 {
		paths = append(paths, fmt.Sprintf("/docker/registry/v2/repositories/team/app-%d/_layers/sha256/%x/link", n, sha256.Sum256(fmt.Append(nil, n, i))))
	}
	return paths
}

// play has a swarm live in a bubble of its own, and closes it.
func play(t *testing.T, cfg simulate.Config, do func(*testing.T, *simulate.Swarm)) {
	t.Helper()
	cfg.Log = quiet()
	synctest.Test(t, func(t *testing.T) {
		s, err := simulate.New(t.Context(), cfg)
		defer func() { require.NoError(t, s.Close()) }()
		require.NoError(t, err)
		do(t, s)
	})
}

// spread is how long the slowest path of some pushes took to all members, who have to have them by now.
func spread(t *testing.T, s *simulate.Swarm, members int, pushes ...int) (last time.Duration) {
	t.Helper()
	for _, n := range pushes {
		for _, path := range image(n) {
			after := s.Arrivals(path)
			require.Len(t, after, members, "members that have push %d", n)
			last = max(last, after[members-1])
		}
	}
	require.LessOrEqual(t, last, within)
	require.True(t, s.Agree())
	return last
}

// TestAPushReachesAll has half of the announcements lost, or all, by each member its own half: the
// comparison of heads brings what they named.
func TestAPushReachesAll(t *testing.T) {
	for name, loss := range map[string]float64{"nothing is lost": 0, "half are lost": 0.5, "all are lost": 1} {
		t.Run(name, func(t *testing.T) {
			const members = 20
			play(t, simulate.Config{Members: members, Seed: 1, Loss: loss}, func(t *testing.T, s *simulate.Swarm) {
				require.NoError(t, s.Push(t.Context(), 0, image(0)))
				time.Sleep(within)
				last := spread(t, s, members, 0)
				if loss == 0 {
					require.Less(t, last, 500*time.Millisecond, "announcements are not followed")
				} else {
					require.Greater(t, last, 500*time.Millisecond, "no announcement is lost")
				}
			})
		})
	}
}

// TestCounts shows that costs are counted: members at rest send heartbeats to all, and ask for heads.
func TestCounts(t *testing.T) {
	const members = 5
	play(t, simulate.Config{Members: members, Seed: 1}, func(t *testing.T, s *simulate.Swarm) {
		time.Sleep(time.Minute)
		s.Reset()
		time.Sleep(time.Minute)
		c := s.Cost()
		require.Equal(t, time.Minute, c.Time)
		require.InEpsilon(t, 2*(members-1)/10.0, c.By[simulate.Heartbeats].Messages, 1e-9, "sent and received, of each of the others every ten seconds")
		require.InEpsilon(t, 2*2*(members-1)/2.0, c.By[simulate.Heads].Messages, 0.05, "questions and answers, each way, every two seconds")
		require.Greater(t, c.By[simulate.Heads].Bytes, 100*c.By[simulate.Heads].Messages)
		require.Zero(t, c.By[simulate.Announcements].Messages)
		require.Zero(t, c.By[simulate.Deltas].Messages)
		require.GreaterOrEqual(t, c.Busiest.Bytes, c.All().Bytes)
	})
}
