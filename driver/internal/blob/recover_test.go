package blob

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-datastore"
	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag/dagtest"
)

func TestRestartKeepsBlobs(t *testing.T) {
	d := newDisk(t)
	content := random(1, 2*dag.LeafSize+1)
	ref := d.adopt(content)
	d.restart()
	d.requireUsage(1, ref.Size)
	d.requireContent(ref, content)
	_, err := d.store.Block(context.Background(), ref.CID)
	require.NoError(t, err)
	require.Empty(t, d.logs.AllEntries())
}

// TestRestartReadsNoBlob: a byte that changed on disk is not noticed at the start, but
// when the leaf it is in is served. Then nothing of the blob is, until it is mended.
func TestRestartReadsNoBlob(t *testing.T) {
	d := newDisk(t)
	content := random(1, 8*dag.LeafSize+1)
	ref := d.adopt(content)
	d.stop()
	damage(t, d.store.path(ref.CID), 3*dag.LeafSize+5)
	d.start()
	d.requireUsage(1, ref.Size)
	require.Empty(t, d.logs.AllEntries())
	layout, _, err := dag.ReadLayout(t.Context(), ref.CID, ref.Size, d.store.Block)
	require.NoError(t, err)
	for i := range layout.Leaves() {
		c, _, _ := layout.Leaf(i)
		got, err := d.store.Block(t.Context(), c)
		if i >= 3 {
			require.ErrorIs(t, err, ErrNotFound)
			require.Len(t, d.logs.AllEntries(), 1)
			continue
		}
		require.NoError(t, err)
		require.True(t, bytes.Equal(leafOf(content, i), got), "leaf %d", i)
	}
	require.Equal(t, []dag.Ref{ref}, d.store.Rotten())
}

// An adoption that ended between the record and the rename.
func TestRestartForgetsARecordWithoutAFile(t *testing.T) {
	d := newDisk(t)
	ref := d.adopt(random(1, 2*dag.LeafSize+1))
	kept := d.adopt(random(1, dag.LeafSize))
	require.NoError(t, os.Remove(d.store.path(ref.CID)))
	d.restart()
	d.requireUsage(1, kept.Size)
	require.Len(t, d.keys(rootPrefix), 1)
	require.Len(t, d.keys(leafPrefix), 1)
	require.Empty(t, d.keys(innerPrefix))
}

// A deletion or a large indexing that ended between two batches.
func TestRestartForgetsHalfAnIndex(t *testing.T) {
	d := newDisk(t)
	ref := d.adopt(random(1, 2*dag.LeafSize+1))
	require.NoError(t, os.Remove(d.store.path(ref.CID)))
	require.NoError(t, d.badger.Delete(context.Background(), datastore.RawKey(d.keys(leafPrefix)[0])))
	d.restart()
	require.Empty(t, d.keys(leafPrefix))
	require.Empty(t, d.keys(innerPrefix))
	require.Empty(t, d.keys(rootPrefix))
}

func TestRestartDropsAShortenedBlob(t *testing.T) {
	d := newDisk(t)
	ref := d.adopt(random(1, dag.LeafSize))
	require.NoError(t, os.Truncate(d.store.path(ref.CID), 10))
	d.restart()
	require.False(t, d.store.Has(ref.CID))
	d.requireUsage(0, 0)
	require.Len(t, d.logs.AllEntries(), 1)
}

func TestRestartRecordsBlobsOfALostDatastore(t *testing.T) {
	d := newDisk(t)
	content := random(1, 2*dag.LeafSize+1)
	ref := d.adopt(content)
	d.stop()
	require.NoError(t, os.RemoveAll(filepath.Join(d.dir, "badger")))
	require.NoError(t, os.WriteFile(filepath.Join(d.dir, "blobs", "README"), nil, 0o600))
	d.start()
	d.requireUsage(1, ref.Size)
	d.requireContent(ref, content)
	_, err := d.store.Block(context.Background(), ref.CID)
	require.NoError(t, err)
}

// TestRestartLeavesAFileOfALaterRelease, which is named with a function that this one
// does not know.
func TestRestartLeavesAFileOfALaterRelease(t *testing.T) {
	d := newDisk(t)
	d.stop()
	file := filepath.Join(d.dir, "blobs", dagtest.Foreign(t, cid.Raw).String())
	require.NoError(t, os.WriteFile(file, []byte("x"), 0o600))
	d.start()
	require.Len(t, d.logs.AllEntries(), 1)
	d.restart()
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, "x", string(content))
	d.requireUsage(0, 0)
}

func TestRestartCleansStaging(t *testing.T) {
	d := newDisk(t)
	upload := d.stage([]byte("of the driver"))
	put := filepath.Join(d.dir, "staging", ".blob-put-1")
	partial := d.store.partialPath(dag.SHA2.LeafCID(make([]byte, dag.SumSize)))
	for _, file := range []string{put, partial} {
		require.NoError(t, os.WriteFile(file, nil, 0o600))
	}
	d.restart()
	require.Equal(t, []string{filepath.Base(upload)}, d.stagedFiles())
}

func TestOpenRefusesANewerVersion(t *testing.T) {
	d := newDisk(t)
	require.NoError(t, d.badger.Put(context.Background(), datastore.RawKey(versionName), []byte("2")))
	_, err := Open(d.dir, d.badger, logrus.NewEntry(logrus.New()))
	require.ErrorContains(t, err, "newer release")
}

func TestRestartForgetsAPartialWithoutAFile(t *testing.T) {
	d := newDisk(t)
	a := newArriving(t, dag.LeafSize+1)
	require.NoError(t, a.open(t, d).Close())
	require.NoError(t, os.Remove(d.store.partialPath(a.layout.Root)))
	d.restart()
	require.Empty(t, d.stagedFiles())
	require.Empty(t, d.keys(partialPrefix))
	require.Empty(t, d.keys(innerPrefix))
}
