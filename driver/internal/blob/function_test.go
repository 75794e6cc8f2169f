package blob

import (
	"bytes"
	"math/rand"
	"os"
	"path/filepath"
	"testing"

	"github.com/ipfs/go-cid"
	"github.com/opencontainers/go-digest"
	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag/dagtest"
)

// rootAs is the CID that boxo gives content.
func rootAs(t *testing.T, f dag.Function, content []byte) cid.Cid {
	t.Helper()
	return dagtest.Root(t, uint64(f), dagtest.Profile(), bytes.NewReader(content))
}

func TestBlake3Uploads(t *testing.T) {
	d := newDisk(t)
	d.store.SetFunction(dag.BLAKE3)
	rng := rand.New(rand.NewSource(7))
	for _, size := range []int{0, 1, 71, pieceSize + 1, dag.LeafSize - 1, dag.LeafSize, dag.LeafSize + 1, 3*dag.LeafSize + 12345} {
		content := random(int64(size), size)
		want := dag.Ref{CID: rootAs(t, dag.BLAKE3, content), Size: int64(size)}
		for _, reopen := range []int{0, dag.LeafSize + 7} {
			file := d.upload("u", content, 400_000, reopen, rng)
			_, err := d.adoptUpload(t.Context(), file, digest.FromString("other"), Seen{}, 0)
			require.ErrorIs(t, err, ErrDigestMismatch)
			ref, err := d.adoptUpload(t.Context(), file, digest.FromBytes(content), Seen{}, 0)
			require.NoError(t, err)
			require.Equal(t, want, ref)
			d.requireContent(ref, content)
			require.NoError(t, d.store.Delete(t.Context(), ref.CID))
		}
		// The digest is that of the bytes, however many leaves there are.
		_, err := d.adoptUpload(t.Context(), d.stage(content), digest.FromString("other"), Seen{}, 0)
		require.ErrorIs(t, err, ErrDigestMismatch)
		ref, err := d.adoptUpload(t.Context(), d.stage(content), digest.FromBytes(content), Seen{}, 0)
		require.NoError(t, err)
		require.Equal(t, want, ref)
		require.NoError(t, d.store.Delete(t.Context(), ref.CID))
		ref, err = d.store.Put(t.Context(), content)
		require.NoError(t, err)
		require.Equal(t, want, ref)
		require.NoError(t, d.store.Delete(t.Context(), ref.CID))
	}
	requireEmptyIndex(t, d)
}

// TestUploadKeepsItsFunction: the store's function may change at any moment, and after a
// restart it is SHA2 until SetFunction is called.
func TestUploadKeepsItsFunction(t *testing.T) {
	content := random(2, 3*dag.LeafSize+5)
	half := dag.LeafSize + 700
	for _, began := range []dag.Function{dag.SHA2, dag.BLAKE3} {
		t.Run(began.String(), func(t *testing.T) {
			d := newDisk(t)
			d.store.SetFunction(began)
			file := d.upload("u", content[:half], dag.LeafSize, 0, rand.New(rand.NewSource(1)))
			d.restart()
			d.store.SetFunction(dag.SHA2 + dag.BLAKE3 - began)
			spoil(t, file, 3) // of a leaf that is full: nobody reads it
			u, err := d.store.Upload(file, true)
			require.NoError(t, err)
			_, err = u.Write(content[half:])
			require.NoError(t, err)
			require.NoError(t, u.Close())
			ref, err := d.adoptUpload(t.Context(), file, digest.FromBytes(content), seen(content), 0)
			require.NoError(t, err)
			require.Equal(t, rootAs(t, began, content), ref.CID)
		})
	}
}

// TestUploadWithoutBytesHasNoFunction: the registry opens an upload before it has
// bytes, and goes on with it when they come.
func TestUploadWithoutBytesHasNoFunction(t *testing.T) {
	d := newDisk(t)
	file := d.upload("u", nil, 1, 0, rand.New(rand.NewSource(1)))
	d.store.SetFunction(dag.BLAKE3)
	u, err := d.store.Upload(file, true)
	require.NoError(t, err)
	content := random(1, dag.LeafSize+1)
	_, err = u.Write(content)
	require.NoError(t, err)
	require.NoError(t, u.Close())
	ref, err := d.adoptUpload(t.Context(), file, digest.FromBytes(content), Seen{}, 0)
	require.NoError(t, err)
	require.Equal(t, rootAs(t, dag.BLAKE3, content), ref.CID)
}

// TestNoteOfAnotherRelease: what cannot be read is hashed anew.
func TestNoteOfAnotherRelease(t *testing.T) {
	content := random(1, dag.LeafSize+1)
	for _, change := range []func(*known){
		func(k *known) { k.Version-- },
		func(k *known) { k.Version++ },
		func(k *known) { k.Function = "sha3-256" },
	} {
		d := newDisk(t)
		file := d.upload("u", content, dag.LeafSize, 0, rand.New(rand.NewSource(1)))
		note, err := readKnown(file)
		require.NoError(t, err)
		change(note)
		require.NoError(t, note.write(file))
		d.store.SetFunction(dag.BLAKE3)
		ref, err := d.adoptUpload(t.Context(), file, digest.FromBytes(content), Seen{}, 0)
		require.NoError(t, err)
		require.Equal(t, rootAs(t, dag.BLAKE3, content), ref.CID)
	}
}

// TestMixedStore: the same bytes under both functions are two blobs, through restarts
// and deletes of either, and through the loss of the datastore.
func TestMixedStore(t *testing.T) {
	d := newDisk(t)
	content := random(1, 2*dag.LeafSize+1)
	refs := map[dag.Function]dag.Ref{}
	for _, f := range dag.Functions() {
		d.store.SetFunction(f)
		refs[f] = d.adopt(content)
		require.Equal(t, rootAs(t, f, content), refs[f].CID)
	}
	requireBoth := func() {
		t.Helper()
		d.requireUsage(2, 2*int64(len(content)))
		for f, ref := range refs {
			d.requireContent(ref, content)
			requireBlocks(t, d, f, content)
		}
	}
	requireBoth()
	d.restart()
	requireBoth()
	d.stop()
	require.NoError(t, os.RemoveAll(filepath.Join(d.dir, "badger")))
	d.start() // with SHA2: each file is hashed with the function of its own name
	requireBoth()

	require.NoError(t, d.store.Delete(t.Context(), refs[dag.SHA2].CID))
	d.requireContent(refs[dag.BLAKE3], content)
	requireBlocks(t, d, dag.BLAKE3, content)
	require.NoError(t, d.store.Delete(t.Context(), refs[dag.BLAKE3].CID))
	requireEmptyIndex(t, d)
}

// requireBlocks wants every block of content in the blockstore.
func requireBlocks(t *testing.T, d *disk, f dag.Function, content []byte) {
	t.Helper()
	l, inner, err := dag.Profile().Build(f, dagtest.Sums(uint64(f), dag.LeafSize, content), int64(len(content)))
	require.NoError(t, err)
	var want []cid.Cid
	for _, b := range inner {
		want = append(want, b.Cid())
	}
	for i := range l.Leaves() {
		c, _, _ := l.Leaf(i)
		want = append(want, c)
	}
	for _, c := range want {
		b, err := d.store.Blockstore().Get(t.Context(), c)
		require.NoError(t, err)
		require.True(t, dag.Matches(c, b.RawData()))
	}
}

// TestBlake3Partial: interrupted, rotten, resumed after a restart, read from its DAG.
func TestBlake3Partial(t *testing.T) {
	d := newDisk(t)
	a := arrivingAs(t, dag.BLAKE3, 4*dag.LeafSize+9)
	l, inner, err := dag.ReadLayout(t.Context(), a.layout.Root, a.layout.Size, dagtest.Get(a.inner))
	require.NoError(t, err)
	require.Equal(t, a.layout, l)
	p, err := d.store.Partial(l, inner)
	require.NoError(t, err)
	require.ErrorIs(t, p.Put(0, leafOf(a.content, 1)), ErrBadLeaf)
	a.put(t, p, 0, 1, 3)
	require.NoError(t, p.Close())
	damage(t, d.store.partialPath(a.layout.Root), dag.LeafSize+1)
	d.restart()

	p = a.open(t, d)
	defer p.Close()
	require.True(t, p.Have(0))
	require.False(t, p.Have(1), "it rotted")
	a.put(t, p, 1, 2, 4)
	require.NoError(t, p.Finish(t.Context()))
	d.requireContent(a.ref(), a.content)
	requireBlocks(t, d, dag.BLAKE3, a.content)
	require.Empty(t, d.stagedFiles())
}
