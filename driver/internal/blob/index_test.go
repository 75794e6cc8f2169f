package blob

import (
	"context"
	"iter"
	"testing"

	"github.com/ipfs/go-datastore"
	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag/dagtest"
)

// first is what a crash lets through: the first n changes.
func first(n int, changes iter.Seq[change]) iter.Seq[change] {
	return func(yield func(change) bool) {
		left := n
		for c := range changes {
			if left == 0 || !yield(c) {
				return
			}
			left--
		}
	}
}

// Wherever an addition or a removal is cut, removing again leaves nothing.
func TestIndexCutAtEveryChange(t *testing.T) {
	ctx := context.Background()
	d := newDisk(t)
	x := d.store.index
	s := dag.Shape{Leaf: 4, Links: 3}
	content := dagtest.Counted(4 * 8)
	l, inner, err := s.Build(dag.SHA2, dagtest.Sums(uint64(dag.SHA2), s.Leaf, content), int64(len(content)))
	require.NoError(t, err)
	changes := 2 + len(inner) + l.Leaves()
	for cut := range changes + 1 {
		require.NoError(t, x.apply(ctx, first(cut, addition(l, inner, false))))
		require.NoError(t, x.remove(ctx, l.Root))
		requireEmptyIndex(t, d)

		var failed error
		require.NoError(t, x.addBlob(ctx, l, inner, false))
		require.NoError(t, x.apply(ctx, first(cut, x.removal(ctx, l.Root, &failed))))
		require.NoError(t, failed)
		require.NoError(t, x.remove(ctx, l.Root))
		requireEmptyIndex(t, d)
	}
}

// More leaves than one batch takes.
func TestIndexInSeveralBatches(t *testing.T) {
	ctx := context.Background()
	d := newDisk(t)
	s := dag.Shape{Leaf: 4, Links: 1024}
	content := dagtest.Counted(4 * (2*batchKeys + 1))
	l, inner, err := s.Build(dag.SHA2, dagtest.Sums(uint64(dag.SHA2), s.Leaf, content), int64(len(content)))
	require.NoError(t, err)
	require.NoError(t, d.store.index.addBlob(ctx, l, inner, true))
	require.Len(t, d.keys(leafPrefix), l.Leaves())
	require.NoError(t, d.store.index.remove(ctx, l.Root))
	requireEmptyIndex(t, d)
}

func requireEmptyIndex(t *testing.T, d *disk) {
	t.Helper()
	for _, prefix := range []string{rootPrefix, partialPrefix, leafPrefix, innerPrefix} {
		require.Empty(t, d.keys(prefix))
	}
}

// TestRecordsThatAreNotOurs end a start, in place of being passed over: which blobs are here
// would be a guess.
func TestRecordsThatAreNotOurs(t *testing.T) {
	d := newDisk(t)
	ref := d.adopt(random(1, 10))
	for _, key := range []datastore.Key{rootKey(ref.CID), rottenKey(ref.CID)} {
		before, err := d.badger.Get(t.Context(), key)
		if err != nil {
			require.ErrorIs(t, err, datastore.ErrNotFound)
		}
		require.NoError(t, d.badger.Put(t.Context(), key, []byte("no number")))
		_, err = Open(d.dir, d.badger, d.store.log)
		require.Error(t, err, key)
		if before == nil {
			require.NoError(t, d.badger.Delete(t.Context(), key))
		} else {
			require.NoError(t, d.badger.Put(t.Context(), key, before))
		}
	}
	d.restart()
	refs, err := d.store.Blobs(t.Context())
	require.NoError(t, err)
	require.Equal(t, []dag.Ref{ref}, refs)
}
