package transfer

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multihash"
	"github.com/stretchr/testify/require"
)

func cidOf(t *testing.T, name string) cid.Cid {
	t.Helper()
	mh, err := multihash.Sum([]byte(name), multihash.SHA2_256, -1)
	require.NoError(t, err)
	return cid.NewCidV1(cid.Raw, mh)
}

// TestABlobIsWarnedOfOnceAnHour, and anew when it was here in between.
func TestABlobIsWarnedOfOnceAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, err := newOutcomes()
		require.NoError(t, err)
		fails := func() bool { return o.note(cidOf(t, "a"), ResultUnavailable, false) }
		require.False(t, o.note(cidOf(t, "a"), ResultUnavailable, true), "nobody waited for it")
		for range 3 {
			require.True(t, fails())
			for range 59 {
				time.Sleep(warnedTime / 60)
				require.False(t, fails())
			}
			time.Sleep(warnedTime / 60)
		}
		require.True(t, fails())
		require.True(t, o.note(cidOf(t, "b"), ResultFailed, false), "another")
		require.False(t, o.note(cidOf(t, "a"), ResultWhole, false))
		require.True(t, fails())
	})
}
