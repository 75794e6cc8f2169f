package transfer

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// woken reports whether a claim was told to look again.
func (m *claim) woken() bool {
	select {
	case <-m.wake:
		return true
	default:
		return false
	}
}

// TestWhoHasFewestComesFirst: a transfer that has all seats gives the next to one that has
// none, and those with a reader come before those that nobody waits for.
func TestWhoHasFewestComesFirst(t *testing.T) {
	c := newCrew(3)
	a, b, reads, calm := c.join(), c.join(), c.join(), c.join()
	for range 3 {
		require.True(t, a.take(false, false))
	}
	require.False(t, calm.take(false, true))
	require.False(t, a.take(true, false))
	require.False(t, b.take(false, false))
	require.False(t, reads.take(true, false))

	a.give(1)
	require.True(t, reads.woken())
	require.False(t, a.take(true, false), "it is not its turn")
	require.False(t, b.take(false, false))
	require.True(t, reads.take(true, false))

	a.give(1)
	require.True(t, b.woken())
	require.True(t, b.take(false, false))

	a.give(1)
	require.True(t, a.woken(), "what others have no use for is not given back to it")
	require.False(t, calm.take(false, true))
	a.pass()
	require.True(t, calm.woken(), "nobody waits for it any more")
	require.True(t, calm.take(false, true))
}

// TestSeatsComeBack, whoever takes them.
func TestSeatsComeBack(t *testing.T) {
	c := newCrew(seats)
	a, b := c.join(), c.join()
	require.True(t, a.take(true, false))
	n := 1 + a.more(pieces-1)
	require.Equal(t, pieces, n, "a transfer that is alone gets all connections")
	require.True(t, b.take(true, false))
	more := b.more(pieces - 1)
	require.Positive(t, more)
	require.Less(t, more, pieces-1, "nothing is left for a third")
	a.give(n)
	b.leave()
	require.Equal(t, seats, c.free)
	require.Empty(t, c.waiting)
}

// TestNobodyWaitsLongForItsFirstSeat, also if no other transfer gives one back, and nobody
// reads what it fetches.
func TestNobodyWaitsLongForItsFirstSeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(2)
		a, first, second := c.join(), c.join(), c.join()
		require.True(t, a.take(false, false))
		require.True(t, a.take(false, false))
		require.False(t, first.take(false, true))
		require.False(t, second.take(false, true))
		time.Sleep(patience)
		require.False(t, a.take(true, false), "it has seats")
		first.pass()
		require.True(t, first.take(false, true))
		require.False(t, first.take(false, true), "it has one now")
		require.Zero(t, first.more(pieces))
		require.False(t, second.take(false, true), "one after the other")
		time.Sleep(patience)
		require.True(t, second.take(false, true))

		a.give(2)
		require.False(t, a.take(true, false), "two are taken that were not there")
		first.leave()
		require.True(t, a.take(true, false))
		a.again(1)
		a.leave()
		second.leave()
		require.Equal(t, 2, c.free)
		require.Empty(t, c.waiting)
	})
}

// TestWhoHasNothingToDoDoesNotWait: its time begins anew when it wants a seat again.
func TestWhoHasNothingToDoDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(1)
		a, b := c.join(), c.join()
		require.True(t, a.take(false, false))
		require.False(t, b.take(false, false))
		time.Sleep(patience)
		b.pass()
		b.pass() // it wanted none in between
		require.False(t, b.take(false, false))
	})
}
