package simulate_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/schedule/simulate"
)

const (
	mib   = 1 << 20
	limit = 2 * time.Minute
)

var (
	even = simulate.Link{Up: 16 * mib, Down: 16 * mib, Latency: 500 * time.Microsecond}
	slow = simulate.Link{Up: mib, Down: mib, Latency: 10 * time.Millisecond}
	// mean receives as fast as the others, and sends next to nothing.
	mean = simulate.Link{Up: 16 << 10, Down: 16 * mib, Latency: 10 * time.Millisecond}
)

// play has registries on even links pull a blob of that many leaves at once, twice unless there is
// little time, and returns the mean results. prepare adds other members.
func play(t *testing.T, leaves, pullers int, prepare func(s *simulate.Swarm)) (mean simulate.Result) {
	t.Helper()
	times := 2
	if testing.Short() {
		times = 1
	}
	for seed := range times {
		synctest.Test(t, func(*testing.T) {
			s := simulate.New(uint64(seed)+1, leaves)
			prepare(s)
			for range pullers {
				s.Puller(even)
			}
			r := s.Run(limit)
			mean.First += r.First / time.Duration(times)
			mean.FirstOfLast += r.FirstOfLast / time.Duration(times)
			mean.Half += r.Half / time.Duration(times)
			mean.Last += r.Last / time.Duration(times)
			mean.Sent += r.Sent / float64(times)
			mean.Wasted += r.Wasted / float64(times)
			mean.Unfinished += r.Unfinished
		})
	}
	t.Logf("%d leaves, %d at once: %s", leaves, pullers, mean)
	return mean
}

// one adds one member that has the blob.
func one(s *simulate.Swarm) { s.Holder(even) }

// atMost bounds how long the last puller waits, as a multiple of the time in which one link carries
// the blob; how often the holders send the blob; and how much of it comes twice.
func atMost(t *testing.T, r simulate.Result, leaves int, times, sent, wasted float64) {
	t.Helper()
	link := float64(leaves*dag.LeafSize) / even.Up
	require.Zero(t, r.Unfinished)
	require.LessOrEqual(t, r.Last.Seconds()/link, times, "the last one waits long")
	require.LessOrEqual(t, r.Sent, sent+1e-9, "the holders send much")
	require.LessOrEqual(t, r.Wasted, wasted+1e-9, "much comes twice")
}

// TestAThousandPullALeaf shows that a tree of ten levels brings a leaf to all, for example the
// configuration of an image.
func TestAThousandPullALeaf(t *testing.T) {
	atMost(t, play(t, 1, 1000, one), 1, 20, 2, 0)
}

// TestManyPull shows that the source sends hardly more when more registries pull. Without the order
// in which they stand in line for each leaf it would send twice as much.
func TestManyPull(t *testing.T) {
	for _, c := range []struct {
		pullers, leaves     int
		times, sent, wasted float64
	}{
		{1, 64, 1.02, 1, 0}, {3, 64, 1.3, 1.2, 0.02}, {10, 64, 1.7, 1.3, 0.02}, {30, 64, 2.2, 1.5, 0.02},
		{10, 5, 4, 1.7, 0.1}, {30, 5, 7, 1.8, 0.1},
	} {
		atMost(t, play(t, c.leaves, c.pullers, one), c.leaves, c.times, c.sent, c.wasted)
	}
}

// TestHundredsPull has so many leaves leave the source at once that each takes long. It would take
// longer if registries that lose patience with their relays asked the source again.
func TestHundredsPull(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes as long as all others together")
	}
	atMost(t, play(t, 5, 100, one), 5, 12, 2.2, 0.2)
	atMost(t, play(t, 64, 100, one), 64, 2.9, 2, 0.03)
	r := play(t, 64, 300, one)
	atMost(t, r, 64, 3.3, 2.2, 0.03)
	insisting := play(t, 64, 300, func(s *simulate.Swarm) { s.Habits.Insisting = true; one(s) })
	require.Greater(t, insisting.Sent, 2*r.Sent)
}

// TestFirstLeafComesFirst shows that the first leaf comes first, whatever else there is to fetch.
func TestFirstLeafComesFirst(t *testing.T) {
	r := play(t, 64, 30, one)
	require.Less(t, r.FirstOfLast, time.Second)
	crowded := play(t, 64, 30, func(s *simulate.Swarm) { s.Habits.AllAtOnce = true; one(s) })
	require.Greater(t, crowded.First, 4*r.First, "why wait for it?")
	alone := play(t, 64, 30, func(s *simulate.Swarm) { s.Habits.NoTrees = true; one(s) })
	require.Greater(t, alone.First, 3*r.First, "why pass it on?")
}

// TestAHolderThatDies shows what a pull costs when one of two holders dies, or falls mute, while it
// goes on.
func TestAHolderThatDies(t *testing.T) {
	for name, end := range map[string]func(*simulate.Member){"dies": (*simulate.Member).Die, "is mute": (*simulate.Member).Fall} {
		t.Run(name, func(t *testing.T) {
			for _, leaves := range []int{5, 64} {
				r := play(t, leaves, 30, func(s *simulate.Swarm) {
					a := s.Holder(even)
					s.Holder(even)
					s.At(700*time.Millisecond, func() { end(a) })
				})
				atMost(t, r, leaves, map[int]float64{5: 6, 64: 2}[leaves], 2, 0.05)
			}
		})
	}
}

// TestPullersThatDie shows that they do not keep the others from getting the blob.
func TestPullersThatDie(t *testing.T) {
	r := play(t, 64, 20, func(s *simulate.Swarm) {
		one(s)
		for i := range 10 {
			m := s.Puller(even)
			s.At(time.Second+time.Duration(i)*200*time.Millisecond, m.Die)
		}
	})
	require.Zero(t, r.Unfinished%10, "others than the dead ones")
	r.Unfinished = 0
	atMost(t, r, 64, 2.3, 1.8, 0.2)
}

// TestSlowHolder shows that a slow holder beside a fast one brings what a reader needs last, and
// that nobody waits for it.
func TestSlowHolder(t *testing.T) {
	atMost(t, play(t, 64, 1, func(s *simulate.Swarm) { s.Holder(slow); s.Holder(even) }), 64, 1.5, 1.05, 0.05)
	atMost(t, play(t, 64, 1, func(s *simulate.Swarm) { s.Holder(mean); s.Holder(even) }), 64, 1.1, 1.05, 0.05)
}

// TestManySlowHolders shows that slow holders carry together what none could carry alone.
func TestManySlowHolders(t *testing.T) {
	r := play(t, 64, 1, func(s *simulate.Swarm) {
		for range 40 {
			s.Holder(slow)
		}
	})
	atMost(t, r, 64, 3, 1.05, 0.05)
}

// TestUnequalLinks shows that slow pullers do not hold up fast ones, and get the blob as fast as
// their links carry it. If rare leaves did not come first, the source would send a third more.
func TestUnequalLinks(t *testing.T) {
	r := play(t, 64, 0, func(s *simulate.Swarm) {
		one(s)
		for i := range 30 {
			s.Puller([]simulate.Link{slow, even, even, even}[i%4])
		}
	})
	require.Less(t, r.Half, 9*time.Second)
	atMost(t, r, 64, 18, 1.7, 0.05)
}

// TestMeanPullers has pullers that send their leaves so slowly that these must come from others.
func TestMeanPullers(t *testing.T) {
	r := play(t, 64, 30, func(s *simulate.Swarm) {
		one(s)
		s.Puller(mean)
		s.Puller(mean)
	})
	atMost(t, r, 64, 4, 1.6, 0.03)
}

// TestMeanPullersBefore has mean pullers begin first, so that later ones find nearly all leaves at
// members that hardly send any. They get the blob from each other because they give those up.
func TestMeanPullersBefore(t *testing.T) {
	pull := func(habits simulate.Habits) simulate.Result {
		return play(t, 64, 0, func(s *simulate.Swarm) {
			s.Habits = habits
			one(s)
			for range 4 {
				s.Puller(mean)
			}
			s.At(3*time.Second, func() {
				for range 20 {
					s.Puller(even)
				}
			})
		})
	}
	atMost(t, pull(simulate.Habits{}), 64, 10, 4.2, 0.05)
	require.NotZero(t, pull(simulate.Habits{NeverSlow: true}).Unfinished, "why give up one that is slow?")
}

// TestRot shows that three holders make a whole blob when each has different damaged leaves.
func TestRot(t *testing.T) {
	for _, leaves := range []int{5, 64} {
		r := play(t, leaves, 30, func(s *simulate.Swarm) {
			for i := range 3 {
				a := s.Holder(even)
				for leaf := i; leaf < leaves; leaf += 3 {
					a.Rot(leaf)
				}
			}
		})
		atMost(t, r, leaves, map[int]float64{5: 6, 64: 1.5}[leaves], 2.8, 0.06)
	}
}

// TestAFarPlace has each byte take 50 ms.
func TestAFarPlace(t *testing.T) {
	r := play(t, 64, 0, func(s *simulate.Swarm) {
		far := even
		far.Latency = 25 * time.Millisecond
		s.Holder(far)
		for range 30 {
			s.Puller(far)
		}
	})
	atMost(t, r, 64, 2.3, 1.5, 0.05)
}
