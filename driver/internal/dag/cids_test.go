package dag

import (
	"bytes"
	"testing"

	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multihash"
	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag/dagtest"
)

func TestIdentity(t *testing.T) {
	for _, size := range []int{0, 1, 71, InlineSize} {
		content := dagtest.Counted(size)
		c, ok := Identity(content)
		require.True(t, ok)
		again, err := cid.Decode(c.String())
		require.NoError(t, err)
		got, ok := InlineBytes(again)
		require.True(t, ok)
		require.True(t, bytes.Equal(content, got))
	}
	_, ok := Identity(make([]byte, InlineSize+1))
	require.False(t, ok)
}

func TestInlineBytesRefuses(t *testing.T) {
	long, err := multihash.Sum(make([]byte, InlineSize+1), multihash.IDENTITY, -1)
	require.NoError(t, err)
	for _, c := range []cid.Cid{cid.Undef, SHA2.LeafCID(make([]byte, SumSize)), cid.NewCidV1(cid.Raw, long)} {
		_, ok := InlineBytes(c)
		require.False(t, ok)
	}
}
