package ocilayout

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/exportdir"
)

var a, b = digest.FromString("a"), digest.FromString("b")

func described(d digest.Digest) v1.Descriptor {
	return v1.Descriptor{MediaType: v1.MediaTypeImageManifest, Digest: d, Size: 1}
}

func created(t *testing.T, dir string) *Writer {
	t.Helper()
	w, err := Create(dir)
	require.NoError(t, err)
	return w
}

func committed(t *testing.T, w *Writer) {
	t.Helper()
	require.NoError(t, w.Commit())
	require.NoError(t, w.Close())
}

// names are those of an index, as another library reads it, with the digests that have them.
func names(t *testing.T, dir string) map[string]string {
	t.Helper()
	p, err := layout.FromPath(dir)
	require.NoError(t, err)
	index, err := p.ImageIndex()
	require.NoError(t, err)
	m, err := index.IndexManifest()
	require.NoError(t, err)
	found := map[string]string{}
	for _, d := range m.Manifests {
		name := d.Annotations[v1.AnnotationRefName]
		require.NotContains(t, found, name)
		found[name] = d.Digest.String()
	}
	return found
}

// TestALayout is read by others, and is added to.
func TestALayout(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "layout")
	w := created(t, dir)
	_, err := w.PutBlob(a, exportdir.Source{Reader: strings.NewReader("a")})
	require.NoError(t, err)
	require.True(t, w.HasBlob(a, 1))
	w.Name("one:1", described(a))
	w.Name("two:1", described(a))
	committed(t, w)
	require.Equal(t, map[string]string{"one:1": a.String(), "two:1": a.String()}, names(t, dir))

	w = created(t, dir)
	require.True(t, w.HasBlob(a, 1))
	w.Name("two:1", described(b))
	require.NoError(t, w.Close()) // without a commit
	require.Equal(t, a.String(), names(t, dir)["two:1"])

	w = created(t, dir)
	w.Name("two:1", described(b))
	w.Name("three:1", described(b))
	committed(t, w)
	require.Equal(t, map[string]string{"one:1": a.String(), "two:1": b.String(), "three:1": b.String()}, names(t, dir))
	_, err = os.Stat(filepath.Join(dir, "blobs/sha256", a.Encoded()))
	require.NoError(t, err)
}

// TestAnEmptyLayout is one, too.
func TestAnEmptyLayout(t *testing.T) {
	dir := t.TempDir()
	committed(t, created(t, dir))
	require.Empty(t, names(t, dir))
}

// TestWhatIsNoLayout is left as it is.
func TestWhatIsNoLayout(t *testing.T) {
	for file, content := range map[string]string{v1.ImageLayoutFile: `{"imageLayoutVersion":"9.0.0"}`, v1.ImageIndexFile: `[`} {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, file), []byte(content), 0o600))
		for _, open := range []func(string) (*Writer, error){Create, Look} {
			_, err := open(dir)
			require.ErrorContains(t, err, file)
		}
	}
	none := filepath.Join(t.TempDir(), "none")
	w, err := Look(none)
	require.NoError(t, err)
	require.False(t, w.HasBlob(a, 1))
	require.NoError(t, w.Close())
	require.NoDirExists(t, none)
}
