package datastore

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	ds "github.com/ipfs/go-datastore"
	"github.com/stretchr/testify/require"
)

// TestDamagedTables are found while badger has them open, and goes on reading from them.
func TestDamagedTables(t *testing.T) {
	dir := t.TempDir()
	for _, key := range []string{"/a", "/b"} { // a table each, which closing writes
		d, err := Open(dir, quiet())
		require.NoError(t, err)
		require.NoError(t, d.Put(t.Context(), ds.NewKey(key), make([]byte, 60_000)))
		require.NoError(t, d.Close())
	}
	d, err := Open(dir, quiet())
	require.NoError(t, err)
	tables, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	require.NoError(t, err)
	require.NotEmpty(t, tables)
	names, err := d.DamagedTables(t.Context())
	require.NoError(t, err)
	require.Empty(t, names)
	f, err := os.OpenFile(tables[0], os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteAt([]byte{1}, 30_000)
	require.NoError(t, errors.Join(err, f.Close()))
	names, err = d.DamagedTables(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{filepath.Base(tables[0])}, names)
	v, err := d.Get(t.Context(), ds.NewKey("/a"))
	require.NoError(t, err, "badger does not notice")
	require.NotEqual(t, make([]byte, 60_000), v)
	require.NoError(t, d.Close())
	_, err = Open(dir, quiet())
	require.Error(t, err, "it would lack what is in the table")
}
