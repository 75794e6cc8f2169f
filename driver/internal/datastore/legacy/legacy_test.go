package legacy

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/dgraph-io/badger"
	ds "github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"
	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/datastore"
)

var later = Later{ds.NewKey("/format"): []byte("2"), ds.NewKey("/release"): []byte("v9")}

func quiet() *logrus.Entry {
	l := logrus.New()
	l.SetLevel(logrus.PanicLevel)
	return logrus.NewEntry(l)
}

// oldStore is what an earlier release left below a path.
func oldStore(t *testing.T, path string) (all map[string]string) {
	t.Helper()
	from := filepath.Join(path, "badger")
	require.NoError(t, os.MkdirAll(from, 0o700))
	db, err := badger.Open(oldOptions(from, nil))
	require.NoError(t, err)
	all = map[string]string{"/format": "1", "/empty": ""}
	for n := range 200 {
		all[fmt.Sprintf("/large/%d", n)] = string(make([]byte, 60_000))
		all[fmt.Sprintf("/small/%d", n)] = fmt.Sprint(n)
	}
	for k, v := range all {
		require.NoError(t, db.Update(func(txn *badger.Txn) error { return txn.Set([]byte(k), []byte(v)) }))
	}
	require.NoError(t, db.Update(func(txn *badger.Txn) error { return txn.Set([]byte("/deleted"), nil) }))
	require.NoError(t, db.Update(func(txn *badger.Txn) error { return txn.Delete([]byte("/deleted")) }))
	require.NoError(t, db.Close())
	return all
}

func convertIn(ctx context.Context, path string) error {
	return Convert(ctx, filepath.Join(path, "badger"), filepath.Join(path, "pebble"), later, quiet())
}

// requireHas what an earlier release left, no more and no less.
func requireHas(t *testing.T, path string, want map[string]string) {
	t.Helper()
	db, err := datastore.Open(filepath.Join(path, "pebble"), quiet())
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	res, err := db.Query(t.Context(), query.Query{})
	require.NoError(t, err)
	entries, err := res.Rest()
	require.NoError(t, err)
	got := map[string]string{}
	for _, e := range entries {
		if e.Key != "/datastore/probe" {
			got[e.Key] = string(e.Value)
		}
	}
	require.Equal(t, len(want), len(got))
	for k, v := range want {
		require.True(t, got[k] == v, k)
	}
}

// requireRefused: an earlier release finds a later format in badger.
func requireRefused(t *testing.T, path string) {
	t.Helper()
	db, err := badger.Open(oldOptions(filepath.Join(path, "badger"), nil))
	require.NoError(t, err)
	require.NoError(t, db.View(func(txn *badger.Txn) error {
		item, err := txn.Get([]byte("/format"))
		require.NoError(t, err)
		return item.Value(func(v []byte) error { require.Equal(t, "2", string(v)); return nil })
	}))
	require.NoError(t, db.Close())
}

func TestConvert(t *testing.T) {
	path := t.TempDir()
	all := oldStore(t, path)
	require.NoError(t, convertIn(t.Context(), path))
	requireRefused(t, path) // also when it ends here
	requireHas(t, path, all)
	for range 2 { // the second time there is nothing to do
		require.NoError(t, Refuse(filepath.Join(path, "badger"), later))
		require.NoError(t, convertIn(t.Context(), path))
		requireRefused(t, path)
	}
	requireHas(t, path, all)
	require.NoDirExists(t, filepath.Join(path, "badger.new"))
	require.NoDirExists(t, filepath.Join(path, "pebble.new"))
	var kept int64
	require.NoError(t, filepath.Walk(filepath.Join(path, "badger"), func(_ string, info os.FileInfo, err error) error {
		kept += info.Size()
		return err
	}))
	require.Less(t, kept, int64(1<<20))
}

// TestAConversionThatIsCut begins anew, and until it is done all is where it was.
func TestAConversionThatIsCut(t *testing.T) {
	path := t.TempDir()
	all := oldStore(t, path)
	ctx := &endsAfter{Context: t.Context(), left: 300}
	require.ErrorIs(t, convertIn(ctx, path), context.Canceled)
	require.NoDirExists(t, filepath.Join(path, "pebble"))
	require.DirExists(t, filepath.Join(path, "pebble.new"))
	require.NoError(t, convertIn(t.Context(), path))
	requireHas(t, path, all)
}

// endsAfter is canceled when it was asked so often.
type endsAfter struct {
	context.Context
	left int
}

func (c *endsAfter) Err() error {
	if c.left--; c.left < 0 {
		return context.Canceled
	}
	return nil
}

// TestADamagedTableIsNotLeftOut: badger would open, and not have what lies in it.
func TestADamagedTableIsNotLeftOut(t *testing.T) {
	path := t.TempDir()
	oldStore(t, path)
	tables, err := filepath.Glob(filepath.Join(path, "badger", "*.sst"))
	require.NoError(t, err)
	require.NotEmpty(t, tables)
	b, err := os.ReadFile(tables[0])
	require.NoError(t, err)
	b[len(b)/2] ^= 1
	require.NoError(t, os.WriteFile(tables[0], b, 0o600))
	require.ErrorContains(t, convertIn(t.Context(), path), filepath.Base(tables[0]))
	require.NoDirExists(t, filepath.Join(path, "pebble"))
}

// TestRefuseGoesOnWhereItWasCut: between removing what was there and giving its own the name.
func TestRefuseGoesOnWhereItWasCut(t *testing.T) {
	path := t.TempDir()
	dir := filepath.Join(path, "badger")
	require.NoError(t, Refuse(dir, later))
	require.NoError(t, errors.Join(os.Rename(dir, dir+tempAdded), Refuse(dir, later)))
	requireRefused(t, path)
	require.NoError(t, convertIn(t.Context(), path))
	require.NoDirExists(t, filepath.Join(path, "pebble"), "there is nothing to convert")
}
