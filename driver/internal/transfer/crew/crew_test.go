package crew

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// woken reports whether a claim was told to look again.
func (m *Claim) woken() bool {
	select {
	case <-m.wake:
		return true
	default:
		return false
	}
}

// TestWhoHasFewestComesFirst shows that, after a transfer has had all seats, the next free one goes
// to a transfer that has none, and that transfers with a reader come before those without.
func TestWhoHasFewestComesFirst(t *testing.T) {
	c := New(3)
	a, b, reads, calm := c.Join(), c.Join(), c.Join(), c.Join()
	for range 3 {
		require.True(t, a.Take(false, false))
	}
	require.False(t, calm.Take(false, true))
	require.False(t, a.Take(true, false))
	require.False(t, b.Take(false, false))
	require.False(t, reads.Take(true, false))

	a.Give(1)
	require.True(t, reads.woken())
	require.False(t, a.Take(true, false), "it is not its turn")
	require.False(t, b.Take(false, false))
	require.True(t, reads.Take(true, false))

	a.Give(1)
	require.True(t, b.woken())
	require.True(t, b.Take(false, false))

	a.Give(1)
	require.True(t, a.woken(), "what others have no use for is not given back to it")
	require.False(t, calm.Take(false, true))
	a.Pass()
	require.True(t, calm.woken(), "nobody waits for it any more")
	require.True(t, calm.Take(false, true))
}

// TestSeatsComeBack shows that seats become free again, whoever took them.
func TestSeatsComeBack(t *testing.T) {
	c := New(Seats)
	a, b := c.Join(), c.Join()
	require.True(t, a.Alone())
	require.True(t, a.Take(true, false))
	require.True(t, a.Alone())
	require.False(t, b.Alone())
	n := 1 + a.More(5)
	require.Equal(t, 6, n, "a transfer that is alone gets all connections")
	require.True(t, b.Take(true, false))
	more := b.More(5)
	require.Positive(t, more)
	require.Less(t, more, 5, "nothing is left for a third")
	a.Give(n)
	b.Leave()
	require.Equal(t, Seats, c.Free())
	require.Empty(t, c.waiting)
}

// TestNobodyWaitsLongForItsFirstSeat shows that a transfer gets its first seat soon, even if no
// other transfer gives one back and nobody reads what it fetches.
func TestNobodyWaitsLongForItsFirstSeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(2)
		a, first, second := c.Join(), c.Join(), c.Join()
		require.True(t, a.Take(false, false))
		require.True(t, a.Take(false, false))
		require.False(t, first.Take(false, true))
		require.False(t, second.Take(false, true))
		time.Sleep(patience)
		require.False(t, a.Take(true, false), "it has seats")
		first.Pass()
		require.True(t, first.Take(false, true))
		require.False(t, first.Take(false, true), "it has one now")
		require.Zero(t, first.More(6))
		require.False(t, second.Take(false, true), "one after the other")
		time.Sleep(patience)
		require.True(t, second.Take(false, true))

		a.Give(2)
		require.False(t, a.Take(true, false), "two are taken that were not there")
		first.Leave()
		require.True(t, a.Take(true, false))
		a.Again(1)
		a.Leave()
		second.Leave()
		require.Equal(t, 2, c.Free())
		require.Empty(t, c.waiting)
	})
}

// TestWhoHasNothingToDoDoesNotWait shows that the wait of a transfer begins anew when it wants a
// seat again after it had nothing to do.
func TestWhoHasNothingToDoDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(1)
		a, b := c.Join(), c.Join()
		require.True(t, a.Take(false, false))
		require.False(t, b.Take(false, false))
		time.Sleep(patience)
		b.Pass()
		b.Pass() // it wanted none in between
		require.False(t, b.Take(false, false))
	})
}
