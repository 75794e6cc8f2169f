package sweep

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var lapStart = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

// ride reads pieces of a size until nothing is left, each when it is due, and gives the times. A
// clock is set by what jump adds before each piece.
func ride(p pace, began time.Time, size int64, jump func(piece int) time.Duration) (at []time.Duration) {
	l := lap{Began: began}
	now := p.last
	for piece := 0; p.left > 0; piece++ {
		now = now.Add(jump(piece))
		l.at(now)
		p.at(now)
		if due := p.due(l.Began, size); due.After(now) {
			now = due
		}
		p.spent(size, now)
		at = append(at, now.Sub(lapStart))
	}
	return at
}

func steady(int) time.Duration { return 0 }

// TestALapIsEven over its interval, whatever the pieces cost, and ends with it.
func TestALapIsEven(t *testing.T) {
	const pieces = 1000
	for _, size := range []int64{1, 1 << 20, 1 << 40} {
		p := pace{interval: 1000 * time.Hour, left: pieces * size, all: pieces * size, last: lapStart}
		for i, at := range ride(p, lapStart, size, steady) {
			require.InDelta(t, float64(i+1)*float64(time.Hour), float64(at), float64(time.Minute), "piece %d of %d bytes", i, size)
		}
	}
}

// TestALapThatIsLate goes on four times as fast, and no faster.
func TestALapThatIsLate(t *testing.T) {
	p := pace{interval: 1000 * time.Hour, left: 1000, all: 1000, last: lapStart.Add(990 * time.Hour)} // it was off
	at := ride(p, lapStart, 1, steady)
	for i, a := range at {
		require.InDelta(t, float64(990*time.Hour+time.Duration(i+1)*time.Hour/4), float64(a), float64(time.Minute), "piece %d", i)
	}
	p = pace{interval: 1000 * time.Hour, left: 400, all: 1000, last: lapStart.Add(800 * time.Hour)} // it can still be in time
	at = ride(p, lapStart, 1, steady)
	require.InDelta(t, float64(1000*time.Hour), float64(at[len(at)-1]), float64(time.Minute))
	require.InDelta(t, float64(900*time.Hour), float64(at[199]), float64(time.Minute))
}

// TestAClockThatIsSet neither stops a lap nor makes it rush.
func TestAClockThatIsSet(t *testing.T) {
	p := pace{interval: 100 * time.Hour, left: 100, all: 100, last: lapStart}
	back := ride(p, lapStart, 1, func(i int) time.Duration {
		if i == 10 {
			return -72 * time.Hour
		}
		return 0
	})
	require.Less(t, back[10], back[9])
	for i := 11; i < 100; i++ {
		require.InDelta(t, float64(time.Hour), float64(back[i]-back[i-1]), float64(20*time.Minute), "piece %d", i)
	}
	ahead := ride(p, lapStart, 1, func(i int) time.Duration {
		if i == 10 {
			return 72 * time.Hour
		}
		return 0
	})
	for i := 11; i < 100; i++ {
		require.GreaterOrEqual(t, ahead[i]-ahead[i-1], time.Hour/4-time.Second, "piece %d", i)
	}
}

// TestALapGoesOnWhereItWas after a restart; what cannot be read begins anew.
func TestALapGoesOnWhereItWas(t *testing.T) {
	file := filepath.Join(t.TempDir(), "scrub.json")
	now := lapStart.Add(time.Hour)
	l, err := readLap(file, now)
	require.NoError(t, err)
	require.Equal(t, lap{Began: now}, l)
	l = lap{Began: lapStart, After: "a", Blob: "b", Leaf: 7, Ended: &lapStart}
	require.NoError(t, l.write(file))
	again, err := readLap(file, now)
	require.NoError(t, err)
	l.Format = lapFormat
	require.Equal(t, l, again)
	require.Equal(t, 7, again.leaf("b"))
	require.Zero(t, again.leaf("c"), "the blob is gone")
	again.done("b")
	require.Equal(t, "b", again.After)
	require.Zero(t, again.leaf("b"))
	early, err := readLap(file, lapStart.Add(-time.Hour))
	require.NoError(t, err)
	require.Equal(t, lapStart.Add(-time.Hour), early.Began, "the clock was set back")
	for _, bad := range []string{"", "{", `{"format":2}`} {
		require.NoError(t, os.WriteFile(file, []byte(bad), 0o600))
		l, err := readLap(file, now)
		require.Error(t, err)
		require.Equal(t, lap{Began: now}, l)
	}
}
