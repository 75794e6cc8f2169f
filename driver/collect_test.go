package driver

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/ocipath"
)

func collectFor(t *testing.T, d *Driver, o CollectOptions, grace time.Duration) Collection {
	t.Helper()
	o.Grace = &grace
	c, err := d.Collect(t.Context(), o, func(CollectProgress) {})
	require.NoError(t, err)
	return c
}

// putUnused stores a blob with a link that no manifest names.
func putUnused(t *testing.T, d *Driver, content string) (path string) {
	t.Helper()
	path, _ = putBlob(t, d, []byte(content))
	link := ocipath.LayerLink(ocipath.Repository("a"), digest.FromString(content))
	require.NoError(t, d.PutContent(t.Context(), link, []byte(digest.FromString(content))))
	return path
}

// TestGarbageIsLeftForItsGrace, also over a restart.
func TestGarbageIsLeftForItsGrace(t *testing.T) {
	p := DefaultParameters()
	p.Offline, p.DatastorePath, p.LogLevel = true, t.TempDir(), "error"
	d, err := New(t.Context(), p)
	require.NoError(t, err)
	path := putUnused(t, d, "a")
	c := collectFor(t, d, CollectOptions{DryRun: true}, time.Hour)
	require.Equal(t, GarbageCount{Repositories: 1, Layers: 1, Blobs: 1, Bytes: 1}, c.Garbage)
	require.Zero(t, d.Status(t.Context()).Garbage.Marked, "a dry run marks")
	for range 2 {
		c = collectFor(t, d, CollectOptions{}, time.Hour)
		require.Zero(t, c.Deleted)
		require.Greater(t, c.Left, 59*time.Minute)
		require.Equal(t, 2, d.Status(t.Context()).Garbage.Marked)
	}
	require.NoError(t, d.Close())
	d, err = New(t.Context(), p)
	require.NoError(t, err)
	require.Equal(t, 2, d.Status(t.Context()).Garbage.Marked)
	_, err = d.GetContent(t.Context(), path)
	require.NoError(t, err)
	c = collectFor(t, d, CollectOptions{}, 0)
	require.Equal(t, GarbageCount{Layers: 1, Blobs: 1, Bytes: 1}, c.Deleted)
	require.Equal(t, RemovedBytes{Blobs: 1, Bytes: 1}, c.Removed)
	_, err = d.GetContent(t.Context(), path)
	require.True(t, isNotFound(err), "%v", err)
	require.NoError(t, d.Close())

	require.NoError(t, os.WriteFile(filepath.Join(p.DatastorePath, "garbage.json"), []byte("{"), 0o600))
	d, err = New(t.Context(), p)
	require.NoError(t, err, "marks that cannot be read are made anew")
	putUnused(t, d, "b")
	require.Equal(t, 1, collectFor(t, d, CollectOptions{}, 0).Deleted.Blobs)
	require.NoError(t, d.Close())
}

// TestMarksThatCannotBeWritten hold nothing up: least of all on a full disk.
func TestMarksThatCannotBeWritten(t *testing.T) {
	d := newOffline(t)
	putUnused(t, d, "a")
	require.NoError(t, os.Mkdir(filepath.Join(d.store.engine.DataPath(), "garbage.json.new"), 0o700))
	c := collectFor(t, d, CollectOptions{}, time.Millisecond)
	require.Equal(t, 1, c.Deleted.Blobs)
	require.Equal(t, 1, c.Removed.Blobs)
	require.Zero(t, c.Left, "nothing is left")
}

// TestMarksOfAnotherClock are due: the datastore that counted the running time was lost, or
// the file is damaged.
func TestMarksOfAnotherClock(t *testing.T) {
	p := DefaultParameters()
	p.Offline, p.DatastorePath, p.LogLevel = true, t.TempDir(), "error"
	file := filepath.Join(p.DatastorePath, "garbage.json")
	for _, content := range []string{`{"format":1,"marks":[null]}`, `{"format":1,"marks":[{"at":4611686018427387904,"counter":9,"unused":{"/x":["y"]}}]}`} {
		content = fmt.Sprintf("%x\n%s", sha256.Sum256([]byte(content)), content)
		require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
		d, err := New(t.Context(), p)
		require.NoError(t, err)
		putUnused(t, d, content)
		require.Equal(t, 1, collectFor(t, d, CollectOptions{}, 0).Deleted.Blobs)
		require.Zero(t, d.Status(t.Context()).Garbage.Marked)
		require.NoError(t, d.Close())
	}
}
