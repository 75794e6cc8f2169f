package datastore

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

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

// TestTablesAreWrittenEarly: making one takes several times its size of memory, so badger does not
// wait until the table in memory is full.
func TestTablesAreWrittenEarly(t *testing.T) {
	d := open(t)
	value := make([]byte, 60_000) // in the table: longer ones would be in the log alone
	for n := range 2 * logSize / len(value) {
		b, err := d.Batch(t.Context())
		require.NoError(t, err)
		require.NoError(t, b.Put(t.Context(), keyOf(n), value))
		require.NoError(t, b.Commit(t.Context()))
	}
	var tables []string
	require.Eventually(t, func() bool {
		var err error
		tables, err = filepath.Glob(filepath.Join(d.dir, "*.sst"))
		return err == nil && len(tables) > 0
	}, time.Minute, 10*time.Millisecond)
	info, err := os.Stat(tables[0])
	require.NoError(t, err)
	require.Less(t, info.Size(), int64(logSize*5/4))
}
