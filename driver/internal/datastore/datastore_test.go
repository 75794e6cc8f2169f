package datastore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	ds "github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"
	dstest "github.com/ipfs/go-datastore/test"
	"github.com/stretchr/testify/require"
)

// patient bounds every wait for what comes soon, even on a busy machine.
const patient = 3 * time.Minute

func open(t *testing.T) *Datastore {
	t.Helper()
	d, err := Open(t.TempDir(), quiet())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

// breakDown has badger say that it failed, as it does in its own goroutines, and waits
// until the datastore takes writes again.
func breakDown(t *testing.T, d *Datastore) {
	t.Helper()
	e, _ := d.engine()
	e.watch.Errorf("Failure while flushing memtable to disk: %v", syscall.EIO)
	var down *Unavailable
	require.ErrorAs(t, d.Writable(), &down)
	require.ErrorIs(t, down, syscall.EIO)
	recovered(t, d)
	now, _ := d.engine()
	require.NotSame(t, e, now, "badger was not opened again")
}

func recovered(t *testing.T, d *Datastore) {
	t.Helper()
	require.Eventually(t, func() bool { return d.Writable() == nil }, patient, time.Millisecond)
}

func TestItIsADatastore(t *testing.T) {
	if testing.Short() {
		t.Skip("thousands of synced writes")
	}
	dstest.SubtestAll(t, open(t))
}

// TestQueries of the datastore, and of a transaction that writes below the same prefix.
func TestQueries(t *testing.T) {
	d := open(t)
	b, err := d.Batch(t.Context())
	require.NoError(t, err)
	for _, k := range []string{"/a/1", "/a/2", "/a/3", "/a", "/ab/1", "/b/1"} {
		require.NoError(t, b.Put(t.Context(), ds.NewKey(k), []byte(k)))
	}
	require.NoError(t, b.Commit(t.Context()))
	txn, err := d.NewTransaction(t.Context(), false)
	require.NoError(t, err)
	defer txn.Discard(t.Context())
	require.NoError(t, errors.Join(txn.Delete(t.Context(), ds.NewKey("/a/2")), txn.Put(t.Context(), ds.NewKey("/a/4"), nil)))
	for _, c := range []struct {
		of   ds.Read
		q    query.Query
		want []string
	}{
		{d, query.Query{Prefix: "/a"}, []string{"/a/1", "/a/2", "/a/3"}},
		{d, query.Query{Prefix: "/a", Limit: 1, Offset: 1, KeysOnly: true}, []string{"/a/2"}},
		{d, query.Query{Prefix: "/a", Limit: 2, Orders: []query.Order{query.OrderByKeyDescending{}}}, []string{"/a/3", "/a/2"}},
		{d, query.Query{Prefix: "/a/", Filters: []query.Filter{query.FilterKeyCompare{Op: query.GreaterThan, Key: "/a/1"}}, Limit: 1}, []string{"/a/2"}},
		{d, query.Query{Prefix: "/a", Filters: []query.Filter{query.FilterKeyCompare{Op: query.GreaterThan, Key: "/"}}}, []string{"/a/1", "/a/2", "/a/3"}},
		{d, query.Query{Prefix: "/a", Filters: []query.Filter{query.FilterKeyCompare{Op: query.GreaterThan, Key: "/ab"}}}, nil},
		{txn, query.Query{Prefix: "/a"}, []string{"/a/1", "/a/3", "/a/4"}},
		{txn, query.Query{Prefix: "/a", Limit: 1}, []string{"/a/1"}},
	} {
		res, err := c.of.Query(t.Context(), c.q)
		require.NoError(t, err)
		entries, err := res.Rest()
		require.NoError(t, err)
		var got []string
		for _, e := range entries {
			got = append(got, e.Key)
			if c.q.KeysOnly || e.Key == "/a/4" {
				require.Empty(t, e.Value)
			} else {
				require.Equal(t, e.Key, string(e.Value))
			}
		}
		require.Equal(t, c.want, got, "%s", c.q)
	}
}

func TestALoggedErrorOfBadgerIsAFailure(t *testing.T) {
	d := open(t)
	require.NoError(t, d.Put(t.Context(), keyOf(1), valueOf(1)))
	breakDown(t, d)
	require.NoError(t, d.Put(t.Context(), keyOf(2), valueOf(2)))
	for n := 1; n <= 2; n++ {
		v, err := d.Get(t.Context(), keyOf(n))
		require.NoError(t, err)
		require.Equal(t, valueOf(n), v)
	}
}

// TestATransactionEndsWithItsBadger: it neither reads nor writes the one opened after.
func TestATransactionEndsWithItsBadger(t *testing.T) {
	d := open(t)
	require.NoError(t, d.Put(t.Context(), keyOf(1), []byte("1")))
	txn, err := d.NewTransaction(t.Context(), false)
	require.NoError(t, err)
	require.NoError(t, txn.Put(t.Context(), keyOf(2), []byte("2")))
	breakDown(t, d)
	var down *Unavailable
	_, err = txn.Get(t.Context(), keyOf(1))
	require.ErrorAs(t, err, &down)
	require.ErrorAs(t, txn.Commit(t.Context()), &down)
	txn.Discard(t.Context())
	ok, err := d.Has(t.Context(), keyOf(2))
	require.NoError(t, err)
	require.False(t, ok)
	require.NoError(t, d.Writable())
}

// TestAWriteThatMetAFailureIsNotAcknowledged, though the datastore takes writes again by
// the time the writer hears of it, unless it was written after that.
func TestAWriteThatMetAFailureIsNotAcknowledged(t *testing.T) {
	d := open(t)
	before := d.state()
	breakDown(t, d)
	refused := 0
	for n := range 100 {
		err := d.hand(before, &commit{changes: []change{{key: keyOf(n)}}, done: make(chan error, 1)})
		ok, herr := d.Has(t.Context(), keyOf(n))
		require.NoError(t, herr)
		require.Equal(t, err == nil, ok, "%v", err)
		if err != nil {
			refused++
		}
	}
	require.Positive(t, refused)
}

// TestAnOpenQueryEndsWithAnError and holds up no other, even when it is not read.
func TestAnOpenQueryEndsWithAnError(t *testing.T) {
	d := open(t)
	b, err := d.Batch(t.Context())
	require.NoError(t, err)
	for n := range 5000 {
		require.NoError(t, b.Put(t.Context(), keyOf(n), []byte("x")))
	}
	require.NoError(t, b.Commit(t.Context()))
	read, err := d.Query(t.Context(), query.Query{Prefix: "/test"})
	require.NoError(t, err)
	_, ok := read.NextSync()
	require.True(t, ok)
	abandoned, err := d.Query(t.Context(), query.Query{Prefix: "/test"})
	require.NoError(t, err)
	breakDown(t, d)
	_, err = read.Rest()
	var down *Unavailable
	require.ErrorAs(t, err, &down)
	require.NoError(t, abandoned.Close())
}

// TestReadersAndWritersOfABadgerThatFails get what was written, or an error.
func TestReadersAndWritersOfABadgerThatFails(t *testing.T) {
	d := open(t)
	large := bytes.Repeat([]byte("0123456789abcdef"), 8<<10) // lies in the value log
	var wg sync.WaitGroup
	ctx, stop := context.WithCancel(t.Context())
	for w := range 4 {
		wg.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				k := ds.NewKey(fmt.Sprintf("/%d/%d", w, n))
				if d.Put(ctx, k, append(large, strconv.Itoa(n)...)) != nil {
					continue
				}
				v, err := d.Get(context.Background(), k)
				if err != nil || !bytes.Equal(v, append(large, strconv.Itoa(n)...)) {
					t.Errorf("%s: %d bytes, %v", k, len(v), err)
				}
			}
		})
	}
	for range 5 {
		breakDown(t, d)
	}
	stop()
	wg.Wait()
}

func TestATransactionIsWrittenWholeOrNotAtAll(t *testing.T) {
	d := open(t)
	txn, err := d.NewTransaction(t.Context(), false)
	require.NoError(t, err)
	for n := range 120_000 {
		require.NoError(t, txn.Put(t.Context(), keyOf(n), []byte("x")))
	}
	require.ErrorIs(t, txn.Commit(t.Context()), ErrTooBig)
	ok, err := d.Has(t.Context(), keyOf(0))
	require.NoError(t, err)
	require.False(t, ok)
	require.NoError(t, d.Writable(), "it is no failure of the datastore")
}

// TestALargeBatchIsWrittenInParts, in order: the last of two writes of a key stands.
func TestALargeBatchIsWrittenInParts(t *testing.T) {
	d := open(t)
	b, err := d.Batch(t.Context())
	require.NoError(t, err)
	for n := range partCount + 10 {
		require.NoError(t, b.Put(t.Context(), keyOf(n), []byte("first")))
	}
	keys := []int{0, partCount, partCount + 9}
	for _, n := range keys {
		require.NoError(t, b.Put(t.Context(), keyOf(n), []byte("last")))
	}
	require.NoError(t, b.Commit(t.Context()))
	for _, n := range keys {
		v, err := d.Get(t.Context(), keyOf(n))
		require.NoError(t, err)
		require.Equal(t, "last", string(v))
	}
}

func TestTheReserveIsAllocated(t *testing.T) {
	d := open(t)
	require.EqualValues(t, ReserveSize, d.reserve.size())
	d.reserve.free()
	require.Zero(t, d.reserve.size())
	require.Eventually(t, func() bool { return d.reserve.size() == ReserveSize }, patient, time.Millisecond)
}

// TestADamagedTableIsNotLeftOut: badger would open, and not find what lies in it.
func TestADamagedTableIsNotLeftOut(t *testing.T) {
	dir := t.TempDir()
	d, err := Open(dir, quiet())
	require.NoError(t, err)
	require.NoError(t, errors.Join(d.Put(t.Context(), keyOf(1), valueOf(1)), d.Close()))
	tables, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	require.NoError(t, err)
	require.NotEmpty(t, tables)
	b, err := os.ReadFile(tables[0])
	require.NoError(t, err)
	b[len(b)/2] ^= 1
	require.NoError(t, os.WriteFile(tables[0], b, 0o600))
	_, err = Open(dir, quiet())
	require.ErrorContains(t, err, filepath.Base(tables[0]))
}

func TestClosedIsClosed(t *testing.T) {
	d, err := Open(t.TempDir(), quiet())
	require.NoError(t, err)
	require.NoError(t, d.Close())
	require.NoError(t, d.Close())
	_, err = d.Get(t.Context(), keyOf(1))
	require.ErrorIs(t, errors.Join(err, d.Put(t.Context(), keyOf(1), nil)), ErrClosed)
	require.ErrorIs(t, d.Writable(), ErrClosed)
}
