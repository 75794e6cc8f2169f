package story

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTheLastThousand are kept, and no more.
func TestTheLastThousand(t *testing.T) {
	b := NewBook()
	require.Empty(t, b.After(0))
	for n := range uint64(2*Most + 3) {
		changed := b.Changed()
		require.Equal(t, n+1, b.Add(Story{Size: int64(n + 1)}).Number)
		<-changed
	}
	kept := b.After(0)
	require.Len(t, kept, Most)
	require.Len(t, b.last, Most)
	for i, s := range kept {
		require.EqualValues(t, Most+4+i, s.Number)
		require.EqualValues(t, s.Number, s.Size)
	}
	require.Len(t, b.After(2*Most), 3)
	require.Empty(t, b.After(2*Most+3))
	require.Empty(t, b.After(1<<60), "a number of an earlier run")
}

func TestHowLongTransfersTook(t *testing.T) {
	b := NewBook()
	b.Add(Story{Result: Whole, First: 20 * ms, Times: times{Flow: 700 * ms}.array()})
	b.Add(Story{Result: Whole, First: 5 * ms, Times: times{Flow: 60 * ms}.array()})
	b.Add(Story{Result: Unavailable, Times: times{Holders: Bounds[len(Bounds)-1] + 1}.array()})
	took, first := b.Spreads()
	require.Equal(t, Spread{Count: 2, Sum: 760 * ms, Upto: [len(Bounds)]uint64{0, 0, 1, 1, 2, 2, 2, 2, 2, 2, 2}}, took[Whole])
	require.Equal(t, Spread{Count: 2, Sum: 25 * ms, Upto: [len(Bounds)]uint64{1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2}}, first[Whole])
	require.EqualValues(t, 1, took[Unavailable].Count)
	require.Equal(t, [len(Bounds)]uint64{}, took[Unavailable].Upto)
	require.NotContains(t, first, Unavailable)
}
