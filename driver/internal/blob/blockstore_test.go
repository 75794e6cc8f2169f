package blob

import (
	"bytes"
	"context"
	"io"
	"os"
	"testing"

	"github.com/ipfs/boxo/blockservice"
	"github.com/ipfs/boxo/ipld/merkledag"
	unixfsio "github.com/ipfs/boxo/ipld/unixfs/io"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	ipld "github.com/ipfs/go-ipld-format"
	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag/dagtest"
)

// IPFS's own reader gets the blob's bytes out of the blockstore.
func TestBlockstoreServesTheDAG(t *testing.T) {
	ctx := context.Background()
	d := newDisk(t)
	content := random(1, 3*dag.LeafSize+9)
	ref := d.adopt(content)
	dag := merkledag.NewDAGService(blockservice.New(d.store.Blockstore(), nil))
	node, err := dag.Get(ctx, ref.CID)
	require.NoError(t, err)
	r, err := unixfsio.NewDagReader(ctx, node, dag)
	require.NoError(t, err)
	defer r.Close()
	got, err := io.ReadAll(r)
	require.NoError(t, err)
	require.True(t, bytes.Equal(content, got))
}

func TestBlockstoreSizes(t *testing.T) {
	ctx := context.Background()
	d := newDisk(t)
	bs := d.store.Blockstore()
	content := random(1, dag.LeafSize+9)
	ref := d.adopt(content)
	inline, _ := dag.Identity([]byte("inline"))
	all := []cid.Cid{ref.CID, inline, d.adopt(nil).CID}
	for i := range 2 {
		all = append(all, dag.SHA2.LeafCID(dagtest.Sums(uint64(dag.SHA2), dag.LeafSize, content)[i*dag.SumSize:(i+1)*dag.SumSize]))
	}
	for _, c := range all {
		b, err := bs.Get(ctx, c)
		require.NoError(t, err)
		require.True(t, dag.Matches(c, b.RawData()))
		n, err := bs.GetSize(ctx, c)
		require.NoError(t, err)
		require.Len(t, b.RawData(), n)
		has, err := bs.Has(ctx, c)
		require.NoError(t, err)
		require.True(t, has)
	}
}

func TestBlockstoreNeverServesWrongBytes(t *testing.T) {
	ctx := context.Background()
	d := newDisk(t)
	content := random(1, 2*dag.LeafSize)
	ref := d.adopt(content)
	leaf := dag.SHA2.LeafCID(dagtest.Sums(uint64(dag.SHA2), dag.LeafSize, content)[:dag.SumSize])
	damage(t, d.store.path(ref.CID), 5)
	for range 3 {
		_, err := d.store.Blockstore().Get(ctx, leaf)
		require.True(t, ipld.IsNotFound(err), "%v", err)
	}
	require.Len(t, d.logs.AllEntries(), 1, "warned once")
	// Another blob with the same leaf serves it.
	other := d.adopt(append(bytes.Clone(content), 'x'))
	got, err := d.store.Blockstore().Get(ctx, leaf)
	require.NoError(t, err)
	require.True(t, bytes.Equal(content[:dag.LeafSize], got.RawData()))
	require.NotEqual(t, ref, other)
}

// damage changes one byte of a file.
func damage(t *testing.T, file string, offset int64) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	require.NoError(t, err)
	defer f.Close()
	b := make([]byte, 1)
	_, err = f.ReadAt(b, offset)
	require.NoError(t, err)
	b[0] ^= 1
	_, err = f.WriteAt(b, offset)
	require.NoError(t, err)
}

func TestBlockstoreKeepsOtherBlocks(t *testing.T) {
	ctx := context.Background()
	d := newDisk(t)
	content := random(1, dag.LeafSize)
	first, empty := blocks.NewBlock([]byte("of no blob")), blocks.NewBlock(nil)
	leaf, err := blocks.NewBlockWithCid(content, dag.SHA2.LeafCID(dagtest.Sums(uint64(dag.SHA2), dag.LeafSize, content)))
	require.NoError(t, err)
	require.NoError(t, d.store.Blockstore().PutMany(ctx, []blocks.Block{first, leaf, empty}))
	d.restart()
	bs := d.store.Blockstore()
	for _, b := range []blocks.Block{first, leaf, empty} {
		got, err := bs.Get(ctx, b.Cid())
		require.NoError(t, err)
		require.True(t, bytes.Equal(b.RawData(), got.RawData()))
	}
	// Once a blob has the leaf it is not kept twice.
	ref := d.adopt(content)
	require.Len(t, d.keys(extraPrefix), 2)
	require.NoError(t, bs.Put(ctx, leaf))
	require.Len(t, d.keys(extraPrefix), 2)
	require.NoError(t, bs.DeleteBlock(ctx, ref.CID))
	require.True(t, d.store.Has(ref.CID))
	require.NoError(t, bs.DeleteBlock(ctx, first.Cid()))
	_, err = bs.Get(ctx, first.Cid())
	require.True(t, ipld.IsNotFound(err))
}

func TestBlockstoreHidesForgedBlocks(t *testing.T) {
	ctx := context.Background()
	d := newDisk(t)
	forged, err := blocks.NewBlockWithCid([]byte("lie"), blocks.NewBlock([]byte("truth")).Cid())
	require.NoError(t, err)
	require.NoError(t, d.store.Blockstore().Put(ctx, forged))
	_, err = d.store.Blockstore().Get(ctx, forged.Cid())
	require.True(t, ipld.IsNotFound(err))
}

func TestBlockstoreListsKeys(t *testing.T) {
	d := newDisk(t)
	d.adopt(random(1, 2*dag.LeafSize))
	keys, err := d.store.Blockstore().AllKeysChan(context.Background())
	require.NoError(t, err)
	n := 0
	for c := range keys {
		_, err := d.store.Block(context.Background(), c)
		require.NoError(t, err)
		n++
	}
	require.Equal(t, 3, n)
	ctx, cancel := context.WithCancel(context.Background())
	keys, err = d.store.Blockstore().AllKeysChan(ctx)
	require.NoError(t, err)
	cancel()
	for range keys { // ends
	}
}
