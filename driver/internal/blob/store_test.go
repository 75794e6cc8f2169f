package blob

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-datastore/query"
	"github.com/opencontainers/go-digest"
	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag/dagtest"
)

func keysUnder(prefix string) query.Query { return query.Query{Prefix: prefix, KeysOnly: true} }

func TestAdopt(t *testing.T) {
	d := newDisk(t)
	content := random(1, 5*dag.LeafSize+7)
	file := d.stage(content)
	ref, err := d.adoptUpload(context.Background(), file, "", Seen{}, 0)
	require.NoError(t, err)
	require.NoFileExists(t, file)
	require.EqualValues(t, len(content), ref.Size)
	require.Equal(t, dagtest.Root(t, uint64(dag.SHA2), dagtest.Profile(), bytes.NewReader(content)), ref.CID)
	require.True(t, d.store.Has(ref.CID))
	size, err := d.store.Size(ref.CID)
	require.NoError(t, err)
	require.Equal(t, ref.Size, size)
	d.requireContent(ref, content)
	d.requireUsage(1, ref.Size)
}

func TestAdoptExistingDropsTheStagedFile(t *testing.T) {
	d := newDisk(t)
	content := random(1, dag.LeafSize+1)
	first := d.adopt(content)
	file := d.stage(content)
	second, err := d.adoptUpload(context.Background(), file, "", Seen{}, 0)
	require.NoError(t, err)
	require.Equal(t, first, second)
	require.NoFileExists(t, file)
	d.requireUsage(1, first.Size)
}

func TestAdoptHealsAShortenedBlob(t *testing.T) {
	d := newDisk(t)
	content := random(1, dag.LeafSize+1)
	ref := d.adopt(content)
	require.NoError(t, os.Truncate(d.store.path(ref.CID), 10))
	require.Equal(t, ref, d.adopt(content))
	d.requireContent(ref, content)
	require.NoError(t, os.Remove(d.store.path(ref.CID)))
	require.Equal(t, ref, d.adopt(content))
	d.requireContent(ref, content)
	d.requireUsage(1, ref.Size)
}

func TestAdoptConcurrently(t *testing.T) {
	d := newDisk(t)
	var wg sync.WaitGroup
	for i := range 12 {
		file := d.stage(random(int64(i%3), 3*dag.LeafSize))
		wg.Go(func() {
			if _, err := d.adoptUpload(context.Background(), file, "", Seen{}, 0); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	d.requireUsage(3, 9*dag.LeafSize)
	require.Empty(t, d.stagedFiles())
}

func TestAdoptChecksTheDigest(t *testing.T) {
	for name, size := range map[string]int{"empty": 0, "one leaf": 1000, "three leaves": 2*dag.LeafSize + 1} {
		t.Run(name, func(t *testing.T) {
			d := newDisk(t)
			content := random(1, size)
			file := d.stage(content)
			_, err := d.adoptUpload(context.Background(), file, digest.FromString("other bytes"), Seen{}, 0)
			require.ErrorIs(t, err, ErrDigestMismatch)
			require.FileExists(t, file)
			_, err = d.adoptUpload(context.Background(), file, digest.SHA512.FromString("other bytes"), Seen{}, 0)
			require.ErrorIs(t, err, ErrDigestMismatch)
			_, err = d.adoptUpload(context.Background(), file, "md5:00", Seen{}, 0)
			require.ErrorIs(t, err, digest.ErrDigestUnsupported)
			d.requireUsage(0, 0)
			require.Empty(t, d.keys(leafPrefix))
			ref, err := d.adoptUpload(context.Background(), file, digest.SHA512.FromBytes(content), Seen{}, 0)
			require.NoError(t, err)
			again, err := d.adoptUpload(context.Background(), d.stage(content), digest.FromBytes(content), Seen{}, 0)
			require.NoError(t, err)
			require.Equal(t, ref, again)
		})
	}
}

func TestAdoptRefuses(t *testing.T) {
	d := newDisk(t)
	_, err := d.adoptUpload(context.Background(), filepath.Join(d.dir, "staging", "none"), "", Seen{}, 0)
	require.ErrorIs(t, err, os.ErrNotExist)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	file := d.stage(random(1, 100*dag.LeafSize))
	_, err = d.adoptUpload(ctx, file, "", Seen{}, 0)
	require.ErrorIs(t, err, context.Canceled)
	require.FileExists(t, file)
}

func TestPut(t *testing.T) {
	d := newDisk(t)
	content := []byte(`{"schemaVersion":2}`)
	for range 2 {
		ref, err := d.store.Put(context.Background(), content)
		require.NoError(t, err)
		want := dag.SHA2.LeafCID(dagtest.Sums(uint64(dag.SHA2), dag.LeafSize, content))
		require.Equal(t, dag.Ref{CID: want, Size: int64(len(content))}, ref)
		d.requireContent(ref, content)
	}
	large := random(1, dag.LeafSize+1)
	ref, err := d.store.Put(context.Background(), large)
	require.NoError(t, err)
	d.requireContent(ref, large)
	require.Empty(t, d.stagedFiles())
	d.requireUsage(2, int64(len(content)+len(large)))
}

func TestPutLeaf(t *testing.T) {
	d := newDisk(t)
	content := []byte(`{"schemaVersion":2}`)
	c := dag.SHA2.LeafCID(dagtest.Sums(uint64(dag.SHA2), dag.LeafSize, content))
	ref := dag.Ref{CID: c, Size: int64(len(content))}
	layout, _, err := dag.ReadLayout(t.Context(), c, ref.Size, nil)
	require.NoError(t, err)
	for _, wrong := range [][]byte{nil, content[1:], append(bytes.Clone(content), 0), make([]byte, len(content)), make([]byte, dag.LeafSize+1)} {
		_, err := NewLeaf(layout, wrong)
		require.ErrorIs(t, err, ErrBadLeaf)
	}
	leaf, err := NewLeaf(layout, content)
	require.NoError(t, err)
	require.NoError(t, iotest.TestReader(io.NewSectionReader(leaf, 0, ref.Size), content))
	_, err = leaf.ReadAt(nil, -1)
	require.Error(t, err)
	require.False(t, d.store.Has(c))
	for range 2 {
		unpin, err := d.store.PutLeaf(t.Context(), leaf)
		require.NoError(t, err)
		require.True(t, d.store.Verified(ref))
		d.requireContent(ref, content)
		require.Error(t, d.store.Delete(t.Context(), c), "it is pinned")
		unpin()
	}
	require.Empty(t, d.stagedFiles())
	d.requireUsage(1, ref.Size)
	require.NoError(t, d.store.Delete(t.Context(), c))
}

func TestMissingBlob(t *testing.T) {
	d := newDisk(t)
	for _, c := range []cid.Cid{cid.Undef, dag.SHA2.LeafCID(make([]byte, dag.SumSize))} {
		_, err := d.store.Open(c)
		require.ErrorIs(t, err, ErrNotFound)
		_, err = d.store.Size(c)
		require.ErrorIs(t, err, ErrNotFound)
		_, err = d.store.Block(context.Background(), c)
		require.ErrorIs(t, err, ErrNotFound)
		require.False(t, d.store.Has(c))
		require.NoError(t, d.store.Delete(context.Background(), c))
	}
}

func TestDeleteTakesOnlyItsOwn(t *testing.T) {
	d := newDisk(t)
	shared := random(1, 2*dag.LeafSize)
	a := d.adopt(append(bytes.Clone(shared), 'a'))
	b := d.adopt(append(bytes.Clone(shared), 'b'))
	leaf := dag.SHA2.LeafCID(dagtest.Sums(uint64(dag.SHA2), dag.LeafSize, shared)[:dag.SumSize])
	open, err := d.store.Open(a.CID)
	require.NoError(t, err)
	defer open.Close()

	require.NoError(t, d.store.Delete(context.Background(), a.CID))
	require.False(t, d.store.Has(a.CID))
	d.requireUsage(1, b.Size)
	got, err := d.store.Block(context.Background(), leaf)
	require.NoError(t, err)
	require.True(t, bytes.Equal(shared[:dag.LeafSize], got))
	_, err = d.store.Block(context.Background(), a.CID)
	require.ErrorIs(t, err, ErrNotFound)
	_, err = d.store.Block(context.Background(), b.CID)
	require.NoError(t, err)
	rest, err := io.ReadAll(open)
	require.NoError(t, err)
	require.Len(t, rest, int(a.Size))

	require.NoError(t, d.store.Delete(context.Background(), b.CID))
	for _, prefix := range []string{rootPrefix, leafPrefix, innerPrefix, partialPrefix} {
		require.Empty(t, d.keys(prefix))
	}
	d.requireUsage(0, 0)
}

// TestDeletingEitherLeavesTheOtherWhole: its file, its DAG, and each leaf on its own.
func TestDeletingEitherLeavesTheOtherWhole(t *testing.T) {
	shared := random(1, 2*dag.LeafSize)
	contents := [][]byte{append(bytes.Clone(shared), 'a'), append(random(2, dag.LeafSize), shared...)}
	for gone := range contents {
		for _, restart := range []bool{false, true} {
			d := newDisk(t)
			refs := []dag.Ref{d.adopt(contents[0]), d.adopt(contents[1])}
			require.NoError(t, d.store.Delete(t.Context(), refs[gone].CID))
			if restart {
				d.restart()
			}
			require.False(t, d.store.Has(refs[gone].CID))
			left, want := refs[1-gone], contents[1-gone]
			d.requireContent(left, want)
			layout, _, err := dag.ReadLayout(t.Context(), left.CID, left.Size, d.store.Block)
			require.NoError(t, err)
			for i := range layout.Leaves() {
				c, _, _ := layout.Leaf(i)
				got, err := d.store.Block(t.Context(), c)
				require.NoError(t, err)
				require.True(t, bytes.Equal(leafOf(want, i), got), "leaf %d", i)
			}
		}
	}
}

func TestLockIsOnePerCID(t *testing.T) {
	d := newDisk(t)
	c, other := dag.SHA2.LeafCID(make([]byte, dag.SumSize)), dag.SHA2.LeafCID(bytes.Repeat([]byte{1}, dag.SumSize))
	unlock := d.store.Lock(c)
	d.store.Lock(other)()
	taken := make(chan struct{})
	go func() {
		d.store.Lock(c)()
		close(taken)
	}()
	select {
	case <-taken:
		t.Fatal("two hold one lock")
	default:
	}
	unlock()
	unlock()
	<-taken
	require.Empty(t, d.store.locks.held)
}
