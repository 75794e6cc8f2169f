package sweep

import (
	"testing"

	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multihash"
	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/lease"
)

// TestWhatIsBeingRemovedIsNotHere for a member that asks: it would rely on it. Once it is
// gone, it may come back.
func TestWhatIsBeingRemovedIsNotHere(t *testing.T) {
	mh, err := multihash.Sum([]byte("a"), multihash.SHA2_256, -1)
	require.NoError(t, err)
	c := cid.NewCidV1(cid.Raw, mh)
	b := NewBytes(nil)
	require.True(t, b.Asked(c))
	b.last[c] = lease.Moment(1)
	require.False(t, b.goes(c, lease.Moment(0)), "it was seen later")
	require.False(t, b.Going(c))
	require.True(t, b.goes(c, lease.Moment(1)), "nobody asked for it")
	require.True(t, b.Going(c))
	require.False(t, b.Asked(c), "it is being removed")
	b.gone(c, false)
	require.Equal(t, 1, b.Unnamed(), "it could not be removed")
	require.True(t, b.Asked(c))
	require.Zero(t, b.Unnamed())
	b.last[c] = lease.Moment(2)
	require.True(t, b.goes(c, lease.Moment(2)))
	b.gone(c, true)
	require.Zero(t, b.Unnamed())
	require.True(t, b.Asked(c))
}

// TestABlobIsNamedWhileItGoes: the registry may be one that is to keep it, and looked for it when it
// was still there.
func TestABlobIsNamedWhileItGoes(t *testing.T) {
	mh, err := multihash.Sum([]byte("a"), multihash.SHA2_256, -1)
	require.NoError(t, err)
	c := cid.NewCidV1(cid.Raw, mh)
	b, missed := NewBytes(nil), 0
	b.OnMissed(func() { missed++ })
	goes := func(named, removed bool) {
		b.last[c] = lease.Moment(1)
		require.True(t, b.goes(c, lease.Moment(1)))
		if named {
			b.Named([]cid.Cid{c})
		}
		b.gone(c, removed)
	}
	goes(false, true)
	goes(true, false)
	b.Named([]cid.Cid{c})
	require.Zero(t, missed, "it was named when it had gone, or stayed")
	goes(true, true)
	require.Equal(t, 1, missed)
	goes(false, true)
	require.Equal(t, 1, missed, "that was the one before")
}
