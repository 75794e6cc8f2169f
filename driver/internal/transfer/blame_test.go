package transfer

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/wire"
)

// TestAMemberIsNamedOnce shows that a message names a member once, however many functions blamed
// it.
func TestAMemberIsNamedOnce(t *testing.T) {
	ids := []peer.ID{"member-a", "member-b", "member-c"}
	err := wire.Blame(ids[1], fmt.Errorf("leaf 3: %w", wire.Blame(ids[1], wire.ErrGone)))
	require.Equal(t, 1, strings.Count(err.Error(), ids[1].String()), err)
	require.ErrorIs(t, err, wire.ErrGone)

	failed := &Unavailable{CID: cid.NewCidV1(cid.Raw, []byte{0, 0}), Asked: ids, Cause: err}
	for _, id := range ids {
		require.Equal(t, 1, strings.Count(failed.Error(), id.String()), failed)
	}
	require.Contains(t, failed.Error(), "does not have it")

	failed.Cause = errors.New("another reason")
	require.Contains(t, failed.Error(), "another reason")
	failed.Asked = nil
	require.Contains(t, failed.Error(), "(asked 0)")

	many := make([]peer.ID, 2*maxNamed)
	for i := range many {
		many[i] = peer.ID(fmt.Sprint("member-", i))
	}
	failed.Asked, failed.Cause = many, wire.Blame(many[len(many)-1], wire.ErrGone)
	require.Contains(t, failed.Error(), failed.Cause.Error(), "one that is not among those named is named with its failure")
	require.Contains(t, failed.Error(), fmt.Sprintf("and %d more", maxNamed))
}
