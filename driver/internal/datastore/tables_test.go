package datastore

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	ds "github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"
	"github.com/stretchr/testify/require"
)

// openAsIs opens a datastore whose tables stay as they are.
func openAsIs(dir string) (*Datastore, error) {
	return openOn(vfs.Default, dir, quiet(), func(o *pebble.Options) { o.DisableAutomaticCompactions = true })
}

// withTables is the directory of a datastore whose keys lie in tables.
func withTables(t *testing.T) (dir string, tables []string, keys int) {
	t.Helper()
	d, err := openAsIs(t.TempDir())
	require.NoError(t, err)
	keys = fillTables(t, d)
	require.NoError(t, d.db.Flush())
	tables, err = d.tables()
	require.NoError(t, errors.Join(err, d.Close()))
	require.NotEmpty(t, tables)
	return d.dir, tables, keys
}

// damage changes bytes in the middle of a file.
func damage(t *testing.T, file string) {
	t.Helper()
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	for i := range 10 {
		b[len(b)/2+i] ^= 1
	}
	require.NoError(t, os.WriteFile(file, b, 0o600))
}

// TestDamagedTables are found, and what lies in them is an error, not absent.
func TestDamagedTables(t *testing.T) {
	dir, tables, keys := withTables(t)
	d, err := openAsIs(dir)
	require.NoError(t, err)
	names, err := d.DamagedTables(t.Context())
	require.NoError(t, err)
	require.Empty(t, names)
	require.NoError(t, d.Close())
	damage(t, filepath.Join(dir, tables[0]))
	d, err = openAsIs(dir)
	require.NoError(t, err)
	names, err = d.DamagedTables(t.Context())
	require.NoError(t, err)
	require.Equal(t, tables[:1], names)
	failed := 0
	for n := 1; n <= keys; n++ {
		v, err := d.Get(t.Context(), keyOf(n))
		if err != nil {
			require.True(t, pebble.IsCorruptionError(err), "%v", err)
			failed++
			continue
		}
		require.Equal(t, valueOf(n), v)
	}
	require.Positive(t, failed)
	res, err := d.Query(t.Context(), query.Query{Prefix: "/test"})
	require.NoError(t, err)
	_, err = res.Rest()
	require.True(t, pebble.IsCorruptionError(err), "%v", err)
	require.NoError(t, d.Close())
}

// TestADamagedLog is not taken for one that ends there.
func TestADamagedLog(t *testing.T) {
	d, err := Open(t.TempDir(), quiet())
	require.NoError(t, err)
	for n := range 100 {
		require.NoError(t, d.Put(t.Context(), ds.NewKey("/a").ChildString(keyOf(n).BaseNamespace()), make([]byte, 1000)))
	}
	crashed := t.TempDir() // as a crash would leave it
	require.NoError(t, errors.Join(os.CopyFS(crashed, os.DirFS(d.dir)), d.Close()))
	logs, err := filepath.Glob(filepath.Join(crashed, "*.log"))
	require.NoError(t, err)
	require.NotEmpty(t, logs)
	damage(t, logs[len(logs)-1])
	_, err = Open(crashed, quiet())
	require.True(t, pebble.IsCorruptionError(err), "%v", err)
}

// TestATableThatIsGone is not taken for one that never was.
func TestATableThatIsGone(t *testing.T) {
	dir, tables, _ := withTables(t)
	require.NoError(t, os.Remove(filepath.Join(dir, tables[0])))
	_, err := Open(dir, quiet())
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, strings.TrimSuffix(tables[0], ".sst"))
}
