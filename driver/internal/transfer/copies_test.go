package transfer

import (
	"testing"

	"github.com/ipfs/go-cid"
	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/wire"
)

// TestWhatAMemberHas: whole, kept, some leaves, or nothing; and who counts on it is noted before.
func TestWhatAMemberHas(t *testing.T) {
	var town town
	var asked []cid.Cid
	var kept cid.Cid
	a := town.registry(t)
	b := town.registry(t, func(r *registry) {
		r.config.Asked = func(c cid.Cid) bool { asked = append(asked, c); return len(asked) != 3 }
		r.config.Kept = func(c cid.Cid) bool { return c == kept }
	})
	content := random(71, 5*mib)
	part := a.push(content)
	a.holdBack(3 * mib)
	readExactly(t, b.open(part, 0), content[:mib])
	keeps, cache, none := b.push(random(72, 2*mib+1)), b.push(random(73, 10)), rawCID(t)
	kept = keeps.CID

	ask := func(relies bool, cids ...cid.Cid) []Copy {
		copies, err := a.transfers.Copies(t.Context(), b.id, cids, relies)
		require.NoError(t, err)
		return copies
	}
	got := ask(false, keeps.CID, cache.CID, none, part.CID)
	require.Equal(t, []Copy{{Whole: true, Kept: true, Leaves: 3, Of: 3}, {Whole: true, Leaves: 1, Of: 1}, {}}, got[:3])
	require.False(t, got[3].Whole || got[3].Kept)
	require.Equal(t, 5, got[3].Of)
	require.Positive(t, got[3].Leaves)
	require.Empty(t, asked, "nobody counts on it")

	require.True(t, ask(true, keeps.CID)[0].Kept)
	require.Equal(t, []cid.Cid{keeps.CID}, asked)
	got = ask(true, none, keeps.CID)
	require.Equal(t, []Copy{{}, {}}, got, "it is being removed")

	town.distrust(a.id)
	_, err := a.transfers.Copies(t.Context(), b.id, []cid.Cid{none}, false)
	require.ErrorIs(t, err, wire.ErrStranger)
	town.distrust(b.id)
	_, err = a.transfers.Copies(t.Context(), b.id, []cid.Cid{none}, false)
	require.ErrorContains(t, err, "not trusted")
	town.distrust()
	b.stop()
	_, err = a.transfers.Copies(t.Context(), b.id, []cid.Cid{none}, false)
	require.Error(t, err)
	b.start()
}

// TestWhatIsLeftOfATransfer is told without one that is under way.
func TestWhatIsLeftOfATransfer(t *testing.T) {
	var town town
	a, b := town.registry(t), town.registry(t)
	content := random(74, 5*mib)
	ref := a.push(content)
	a.holdBack(3 * mib)
	body := b.open(ref, 0)
	readExactly(t, body, content[:mib])
	require.NoError(t, body.Close())
	b.stop()
	b.start()
	got := b.transfers.Copy(ref.CID, false)
	require.Equal(t, 5, got.Of)
	require.Positive(t, got.Leaves)
	require.Less(t, got.Leaves, 5)
	require.Equal(t, Copy{}, b.transfers.Copy(rawCID(t), false))
}
