package transfer

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/bitset"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
)

// resumed is a job with every leaf of a blob left by an earlier run, of which one is
// damaged. Nothing runs.
func resumed(t *testing.T, damaged int) *job {
	t.Helper()
	var town town
	a, b := town.registry(t), town.registry(t)
	content := random(80, 4*mib)
	ref := a.push(content)
	layout, inner, err := dag.ReadLayout(t.Context(), ref.CID, ref.Size, a.blobs.Block)
	require.NoError(t, err)
	open := func() *blob.Partial {
		p, err := b.blobs.Partial(layout, inner)
		require.NoError(t, err)
		return p
	}
	p := open()
	for i := range layout.Leaves() {
		require.NoError(t, p.Put(i, content[i*mib:(i+1)*mib]))
	}
	require.NoError(t, p.Close())
	overwrite(t, filepath.Join(b.dir, "staging", ref.CID.String()+".partial"), damaged)
	j := newJob(b.transfers, ref, purpose{leaf: -1})
	t.Cleanup(func() { j.cancel(errUnread) })
	p = open()
	t.Cleanup(func() { _ = p.Close() })
	j.here.layout, j.here.partial = layout, p
	close(j.here.laidOut)
	return j
}

// The time that hashing takes is not held against the members.
func TestHashingIsProgress(t *testing.T) {
	j := resumed(t, 2)
	j.meter.born = time.Now().Add(-time.Hour)
	c := newCoordinator(j)
	c.hash()
	(<-j.events).apply(c)
	require.Less(t, j.meter.still(), time.Hour)
	require.True(t, c.absent().Has(2), "the leaf that is damaged is not fetched again")
	require.Equal(t, 1, c.absent().Count())
	require.False(t, c.endIfWhole())
}

func TestHashingEndsWithTheTransfer(t *testing.T) {
	j := resumed(t, 2)
	j.cancel(ErrClosing)
	_, missing := j.partial().Missing(j.ctx, 0)
	require.True(t, missing, "it is not known to be whole")
	require.Zero(t, bitset.Set(j.partial().Absent()).Count(), "leaves that nobody hashed are to be fetched again")
}
