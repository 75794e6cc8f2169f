package datastore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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
const (
	patient = 3 * time.Minute
	tick    = time.Millisecond
)

func open(t *testing.T) *Datastore {
	t.Helper()
	d, err := Open(t.TempDir(), quiet())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
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

// TestATransactionReadsItsMoment and its own writes.
func TestATransactionReadsItsMoment(t *testing.T) {
	d := open(t)
	require.NoError(t, d.Put(t.Context(), keyOf(1), []byte("1")))
	txn, err := d.NewTransaction(t.Context(), false)
	require.NoError(t, err)
	require.NoError(t, txn.Put(t.Context(), keyOf(2), []byte("2")))
	require.NoError(t, errors.Join(d.Put(t.Context(), keyOf(1), []byte("later")), d.Put(t.Context(), keyOf(3), nil)))
	for n, want := range []string{1: "1", 2: "2"} {
		if n > 0 {
			v, err := txn.Get(t.Context(), keyOf(n))
			require.NoError(t, err)
			require.Equal(t, want, string(v))
		}
	}
	_, err = txn.Get(t.Context(), keyOf(3))
	require.ErrorIs(t, err, ds.ErrNotFound)
	require.NoError(t, txn.Commit(t.Context()))
	txn.Discard(t.Context())
	_, err = txn.Get(t.Context(), keyOf(1))
	require.ErrorIs(t, err, errOver)
	v, err := d.Get(t.Context(), keyOf(2))
	require.NoError(t, err)
	require.Equal(t, "2", string(v))
}

// TestATransactionThatIsOpenWhenTheDatastoreIsClosed ends, and holds up nothing.
func TestATransactionThatIsOpenWhenTheDatastoreIsClosed(t *testing.T) {
	d, err := Open(t.TempDir(), quiet())
	require.NoError(t, err)
	txn, err := d.NewTransaction(t.Context(), false)
	require.NoError(t, err)
	require.NoError(t, d.Close())
	_, err = txn.Get(t.Context(), keyOf(1))
	require.ErrorIs(t, err, ErrClosed)
	txn.Discard(t.Context())
}

// TestAnOpenQueryEndsWithAnError when the datastore is closed, and holds up nothing, even when it is
// not read.
func TestAnOpenQueryEndsWithAnError(t *testing.T) {
	d, err := Open(t.TempDir(), quiet())
	require.NoError(t, err)
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
	require.NoError(t, d.Close())
	_, err = read.Rest()
	require.ErrorIs(t, err, ErrClosed)
	require.NoError(t, abandoned.Close())
}

// TestReadersAndWritersOfADiskThatFails get what was written, or an error.
func TestReadersAndWritersOfADiskThatFails(t *testing.T) {
	d, fs := openFaulty(t)
	large := bytes.Repeat([]byte("0123456789abcdef"), 8<<10)
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
		fs.write.Store(&fault{".log", syscall.ENOSPC})
		require.Eventually(t, func() bool { return d.Writable() != nil }, patient, tick)
		fs.write.Store(nil)
		recovered(t, d)
	}
	stop()
	wg.Wait()
	require.NoError(t, d.Close())
}

func TestATransactionIsWrittenWholeOrNotAtAll(t *testing.T) {
	d := open(t)
	txn, err := d.NewTransaction(t.Context(), false)
	require.NoError(t, err)
	for n := range largest/1000 + 1 {
		require.NoError(t, txn.Put(t.Context(), keyOf(n), make([]byte, 1000)))
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
	const part = partSize / changeCost // more than fits one
	for n := range part + 10 {
		require.NoError(t, b.Put(t.Context(), keyOf(n), []byte("first")))
	}
	keys := []int{0, part, part + 9}
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
	alone := &reserve{dir: t.TempDir()} // nobody makes it anew
	require.NoError(t, alone.make())
	require.EqualValues(t, ReserveSize, alone.size())
	alone.free()
	require.Zero(t, alone.size())
	d := open(t)
	require.EqualValues(t, ReserveSize, d.reserve.size())
	d.reserve.free()
	require.Eventually(t, func() bool { return d.reserve.size() == ReserveSize }, patient, time.Millisecond)
}

// TestALargeTransaction: what the CRDT makes of a delta of 1 MiB.
func TestALargeTransaction(t *testing.T) {
	d := open(t)
	txn, err := d.NewTransaction(t.Context(), false)
	require.NoError(t, err)
	for n := range 7 << 20 / 100 {
		require.NoError(t, txn.Put(t.Context(), keyOf(n), make([]byte, 100)))
	}
	require.NoError(t, txn.Commit(t.Context()))
	v, err := d.Get(t.Context(), keyOf(70_000))
	require.NoError(t, err)
	require.Len(t, v, 100)
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
