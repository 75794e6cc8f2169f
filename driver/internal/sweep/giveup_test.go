package sweep

import (
	"testing"

	"github.com/ipfs/go-cid"
	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/lease"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// TestWhoAskedFindsTheCopy: a copy for which somebody asks while the others are being asked
// stays. Whoever asks once it goes is told that it is not here.
func TestWhoAskedFindsTheCopy(t *testing.T) {
	r := newCacheRoom(t, t.TempDir(), 0, 1, 100)
	c := r.refs[0].CID
	b := r.bytes
	require.True(t, b.Asked(c), "long before")
	for name, ask := range map[string]func(){
		"a member or a request relies on it": func() { require.True(t, b.Asked(c)) },
		"an entry names it":                  func() { b.Named([]cid.Cid{c}) },
		"it is given up by another": func() {
			require.ErrorIs(t, b.GiveUp(t.Context(), c, func(remove func() error) error { return remove() }), blob.ErrUsed)
			b.Asked(c)
		},
	} {
		err := b.GiveUp(t.Context(), c, func(remove func() error) error {
			ask()
			return remove()
		})
		require.ErrorIs(t, err, blob.ErrUsed, name)
		require.Equal(t, []int{0}, r.here())
	}
	require.ErrorIs(t, b.GiveUp(t.Context(), c, func(func() error) error { return errLast }), errLast)
	require.NoError(t, b.GiveUp(t.Context(), c, func(remove func() error) error {
		defer r.blobs.Lock(c)() // as a removal does
		require.True(t, b.mayGive(c))
		require.False(t, b.Asked(c), "it goes")
		b.gone(c, false)
		return nil
	}))
	require.NoError(t, b.GiveUp(t.Context(), c, func(remove func() error) error { return remove() }))
	require.Empty(t, r.here())
	require.Empty(t, b.given)
	require.Empty(t, b.going)
	require.True(t, b.Asked(c))
}

// TestWhatIsGivenUpIsNotUnnamed: the collector forgets what is no longer here.
func TestWhatIsGivenUpIsNotUnnamed(t *testing.T) {
	r := newCacheRoom(t, t.TempDir(), 0, 1, 100)
	view := func() pathmap.View { return r.cache.cfg.Map() }
	_, err := r.bytes.Sweep(t.Context(), view, lease.Moment(1), func(lease.Moment) bool { return false })
	require.NoError(t, err)
	require.Equal(t, 1, r.bytes.Unnamed())
	require.NoError(t, r.bytes.GiveUp(t.Context(), r.refs[0].CID, func(remove func() error) error { return remove() }))
	require.Zero(t, r.bytes.Unnamed())
}
