package transfer

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/story"
)

// TestFailedTransferIsAWarning shows that transfers of a blob that fail are one warning, however
// often somebody asks for the blob, until it has come after all.
func TestFailedTransferIsAWarning(t *testing.T) {
	content := random(90, 3*mib)
	var town town
	a, b := town.registry(t), town.registry(t, stalls)
	ref := a.push(content)
	a.damage(ref, 0)
	for range 2 {
		_, err := b.pull(ref, 0)
		requireUnavailable(t, err, a.id)
	}
	warned := failures(b)
	require.Len(t, warned, 1)
	require.Equal(t, ref.CID, warned[0].Data["cid"])
	require.Equal(t, 1, warned[0].Data["asked"])
	require.Contains(t, warned[0].Data, "received")
	require.Contains(t, warned[0].Data, "took")
	require.ErrorContains(t, warned[0].Data[logrus.ErrorKey].(error), a.id.String())
	require.EqualValues(t, 2, b.transfers.Ended()[story.Unavailable])

	require.NoError(t, a.blobs.Delete(t.Context(), ref.CID))
	c := town.registry(t)
	c.push(content)
	b.requirePull(ref, content)
	b.fetch(ref)
	eventually(t, func() bool { return b.transfers.Ended()[story.Whole] > 0 }, "its end is not counted")
	require.NoError(t, os.Remove(filepath.Join(b.dir, "blobs", ref.CID.String())))
	c.kill()
	_, err := b.pull(ref, 0)
	requireUnavailable(t, err)
	require.Len(t, failures(b), 2, "no warning about a blob that was here and is gone")
}

// TestWrongDAGIsAFailure shows that failures of this registry are told apart from blobs that no
// member has.
func TestWrongDAGIsAFailure(t *testing.T) {
	var town town
	a, b := town.registry(t), town.registry(t)
	ref := a.push(random(91, 5*mib))
	ref.Size++
	_, err := b.pull(ref, 0)
	require.ErrorIs(t, err, dag.ErrBadDAG)
	require.EqualValues(t, 1, b.transfers.Ended()[story.Failed])
	require.Len(t, failures(b), 1)
}

func TestRunningTransfers(t *testing.T) {
	content := random(92, 5*mib)
	var town town
	a, b := town.registry(t), town.registry(t)
	ref := a.push(content)
	open := a.holdBack(3 * mib)
	body := b.open(ref, 0)
	readExactly(t, body, content[:mib])
	all := b.transfers.Running()
	require.Len(t, all, 1)
	require.Equal(t, ref.CID, all[0].CID)
	require.Equal(t, ref.Size, all[0].Size)
	require.Equal(t, 1, all[0].Waiting)
	require.Positive(t, all[0].Here)
	require.Less(t, all[0].Here, ref.Size)
	eventually(t, func() bool {
		sources := b.transfers.Running()[0].Sources
		return len(sources) == 1 && sources[0].Peer == a.id && sources[0].Road == story.RoadStream
	}, "it does not say where the bytes come from")
	open()
	readExactly(t, body, content[mib:])
	b.fetch(ref)
	eventually(t, func() bool { return len(b.transfers.Running()) == 0 }, "it never ends")
}

// failures returns the warnings about transfers that failed.
func failures(r *registry) (found []*logrus.Entry) {
	for _, e := range warnings(r) {
		if _, ok := e.Data["took"]; ok {
			found = append(found, e)
		}
	}
	return found
}

// TestABlobIsWarnedOfOnceAnHour shows that there is one warning an hour for a blob, and another one
// when it was here in between.
func TestABlobIsWarnedOfOnceAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, err := newOutcomes()
		require.NoError(t, err)
		fails := func() bool { return o.note(cid.NewCidV1(cid.Raw, []byte{0, 0}), story.Unavailable, false) }
		require.False(t, o.note(cid.NewCidV1(cid.Raw, []byte{0, 0}), story.Unavailable, true), "nobody waited for it")
		for range 3 {
			require.True(t, fails())
			for range 59 {
				time.Sleep(warnedTime / 60)
				require.False(t, fails())
			}
			time.Sleep(warnedTime / 60)
		}
		require.True(t, fails())
		require.True(t, o.note(cid.NewCidV1(cid.Raw, []byte{0, 1, 0}), story.Failed, false), "another")
		require.False(t, o.note(cid.NewCidV1(cid.Raw, []byte{0, 0}), story.Whole, false))
		require.True(t, fails())
	})
}
