package room

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAwait has room made only where there is too little, for no longer than it takes, and
// whoever asks decides by what there is then.
func TestAwait(t *testing.T) {
	left, asked := int64(100), int64(0)
	d := On(t.TempDir())
	d.Keep(func() (int64, error) { return left, nil })
	d.Await(t.Context(), 1000) // nobody makes room
	d.OnShort(func(ctx context.Context, n int64, enough func() bool) {
		require.NoError(t, ctx.Err())
		_, bounded := ctx.Deadline()
		require.True(t, bounded)
		require.False(t, enough())
		asked = n
		left += n / 2
		require.Equal(t, left >= n, enough())
	})
	d.Await(t.Context(), 100)
	require.Zero(t, asked, "there is enough")
	d.Await(t.Context(), 150)
	require.EqualValues(t, 150, asked)
	require.EqualValues(t, 175, left)
	claim, err := d.Take(150)
	require.NoError(t, err)
	asked = 0
	d.Await(t.Context(), 30)
	require.EqualValues(t, 30, asked, "what was claimed counts")
	claim.Release()

	d.Keep(func() (int64, error) { return 0, errors.New("unknown") })
	asked = 0
	d.Await(t.Context(), 30)
	require.Zero(t, asked, "it cannot be told")
}

// TestLook tells what there is, as Take counts it.
func TestLook(t *testing.T) {
	d := On(t.TempDir())
	l, err := d.Look()
	require.NoError(t, err)
	require.EqualValues(t, Reserve, l.Kept)
	require.Zero(t, l.Promised)
	require.Positive(t, l.Inodes)
	claim, err := d.Take(1000)
	require.NoError(t, err)
	defer claim.Release()
	d.Keep(func() (int64, error) { return 5000, nil })
	l, err = d.Look()
	require.NoError(t, err)
	require.EqualValues(t, 1000, l.Promised)
	require.Equal(t, l.Free-5000, l.Kept)
}
