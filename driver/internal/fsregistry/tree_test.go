package fsregistry

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/exportdir"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/ocipath"
)

// write writes a file of distribution's below root.
func write(t *testing.T, root, name, content string) string {
	t.Helper()
	file := filepath.Join(root, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
	require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
	return file
}

func opened(t *testing.T, root string) *Tree {
	t.Helper()
	tree, err := Open(root)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, tree.Close()) })
	return tree
}

var a, b = digest.FromString("a"), digest.FromString("b")

// TestTree reads what distribution writes, and nothing else.
func TestTree(t *testing.T) {
	root := t.TempDir()
	inner := ocipath.Repository("team/app")
	for _, of := range []string{ocipath.Repository("team"), inner} {
		for _, d := range []digest.Digest{a, b} {
			write(t, root, ocipath.LayerLink(of, d), d.String())
		}
	}
	write(t, root, ocipath.RevisionLink(inner, a), a.String())
	write(t, root, ocipath.CurrentLink(inner, "1"), a.String())
	write(t, root, ocipath.IndexLink(inner, "1", b), b.String())
	write(t, root, inner+"/_uploads/u/data", "unfinished")
	write(t, root, inner+"/_layers/sha256/"+a.Encoded()+"/link.1.tmp", "half")
	write(t, root, ocipath.Repositories+"/nothing/here", "")
	write(t, root, ocipath.BlobData(ocipath.Root, a), "a")
	tree := opened(t, root)

	var names []string
	for name, err := range tree.Repositories() {
		require.NoError(t, err)
		names = append(names, name)
	}
	require.Equal(t, []string{"team", "team/app"}, names)
	for kind, want := range map[ocipath.Kind][]string{
		ocipath.Layer:      {ocipath.LayerLink(inner, b), ocipath.LayerLink(inner, a)},
		ocipath.Revision:   {ocipath.RevisionLink(inner, a)},
		ocipath.TagIndex:   {ocipath.IndexLink(inner, "1", b)},
		ocipath.TagCurrent: {ocipath.CurrentLink(inner, "1")},
	} {
		var paths []string
		for link, err := range tree.Links("team/app", kind) {
			require.NoError(t, err)
			require.Equal(t, "team/app", link.Repository)
			require.Contains(t, []digest.Digest{a, b}, link.Digest)
			require.False(t, link.ModTime.IsZero())
			paths = append(paths, link.Path)
		}
		require.ElementsMatch(t, want, paths)
		require.IsIncreasing(t, append([]string{""}, paths...), "in order, so that who locks several digests does so in order")
	}
	f, err := tree.Blob(a)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	_, err = tree.Blob(b)
	require.ErrorIs(t, err, fs.ErrNotExist)
}

// TestHostileTree leads nowhere, and nobody waits for it.
func TestHostileTree(t *testing.T) {
	root, secret := t.TempDir(), write(t, t.TempDir(), "secret", a.String())
	of := ocipath.Repository("a")
	bad := map[string]string{
		ocipath.LayerLink(of, b):      "another digest",
		ocipath.CurrentLink(of, "1"):  "no digest",
		ocipath.CurrentLink(of, "2"):  "escapes",
		ocipath.RevisionLink(of, a):   "not a plain file",
		path.Join(of, "_layers/odd/"): "",
	}
	write(t, root, ocipath.LayerLink(of, b), a.String())
	write(t, root, ocipath.CurrentLink(of, "1"), strings.Repeat("../", 5000))
	link := filepath.Join(root, ocipath.CurrentLink(of, "2"))
	require.NoError(t, os.MkdirAll(filepath.Dir(link), 0o700))
	require.NoError(t, os.Symlink(secret, link))
	pipe := filepath.Join(root, ocipath.RevisionLink(of, a))
	require.NoError(t, os.MkdirAll(filepath.Dir(pipe), 0o700))
	require.NoError(t, unix.Mkfifo(pipe, 0o600))
	blob := filepath.Join(root, ocipath.BlobData(ocipath.Root, a))
	require.NoError(t, os.MkdirAll(filepath.Dir(blob), 0o700))
	require.NoError(t, os.Symlink(secret, blob))

	tree := opened(t, root)
	for _, kind := range []ocipath.Kind{ocipath.Layer, ocipath.Revision, ocipath.TagCurrent} {
		for link, err := range tree.Links("a", kind) {
			require.ErrorContains(t, err, bad[link.Path], link.Path)
			require.NotEmpty(t, bad[link.Path], link.Path)
			require.Empty(t, link.Digest)
			delete(bad, link.Path)
		}
	}
	require.Len(t, bad, 1)
	_, err := tree.Blob(a)
	require.ErrorContains(t, err, "escapes")
}

// TestNoTree is said as what it is.
func TestNoTree(t *testing.T) {
	for _, dir := range []string{t.TempDir(), filepath.Join(t.TempDir(), "missing")} {
		_, err := Open(dir)
		require.ErrorIs(t, err, ErrNoRegistry)
	}
}

func putBlob(w *Writer, d digest.Digest, content string) error {
	_, err := w.PutBlob(d, exportdir.Source{Reader: strings.NewReader(content)})
	return err
}

// TestLookingWritesNothing, also where nothing is.
func TestLookingWritesNothing(t *testing.T) {
	root := filepath.Join(t.TempDir(), "none")
	w, err := Look(root)
	require.NoError(t, err)
	require.False(t, w.HasBlob(a, 1))
	require.False(t, w.HasLink(ocipath.CurrentLink(ocipath.Repository("a"), "1"), a))
	require.NoError(t, w.Close())
	require.NoDirExists(t, root)
}

// TestWriter writes what a Tree reads, each file whole or not at all.
func TestWriter(t *testing.T) {
	root := t.TempDir()
	w, err := Create(root)
	require.NoError(t, err)
	data := filepath.Join(root, ocipath.BlobData(ocipath.Root, a))
	write(t, root, ocipath.BlobData(ocipath.Root, a)+".part", "of a writing that was killed")

	require.ErrorIs(t, putBlob(w, a, "b"), exportdir.ErrOtherBytes)
	require.NoFileExists(t, data)
	require.NoFileExists(t, data+".part")
	require.False(t, w.HasBlob(a, 1))
	require.NoError(t, putBlob(w, a, "a"))
	require.True(t, w.HasBlob(a, 1))
	require.False(t, w.HasBlob(a, 2))

	of := ocipath.Repository("team/app")
	require.False(t, w.HasLink(ocipath.LayerLink(of, a), a))
	require.NoError(t, w.PutLink(ocipath.LayerLink(of, a), a))
	require.True(t, w.HasLink(ocipath.LayerLink(of, a), a))
	for _, d := range []digest.Digest{a, b} { // the tag moves
		require.NoError(t, w.PutLink(ocipath.CurrentLink(of, "1"), d))
	}
	require.False(t, w.HasLink(ocipath.CurrentLink(of, "1"), a))
	require.Error(t, w.PutLink("/elsewhere", a))
	require.NoError(t, w.Close())

	tree := opened(t, root)
	for kind, want := range map[ocipath.Kind]digest.Digest{ocipath.Layer: a, ocipath.TagCurrent: b} {
		for link, err := range tree.Links("team/app", kind) {
			require.NoError(t, err)
			require.Equal(t, want, link.Digest)
		}
	}
}

// TestWriterStaysInside a directory, whatever links lead out of it.
func TestWriterStaysInside(t *testing.T) {
	root, outside := t.TempDir(), t.TempDir()
	w, err := Create(root)
	require.NoError(t, err)
	require.NoError(t, os.Symlink(outside, filepath.Join(root, ocipath.Repository("out"))))
	require.ErrorContains(t, w.PutLink(ocipath.CurrentLink(ocipath.Repository("out"), "1"), a), "escapes")
	require.NoError(t, w.Close())
	left, err := os.ReadDir(outside)
	require.NoError(t, err)
	require.Empty(t, left)
}
