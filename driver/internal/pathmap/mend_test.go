package pathmap_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	ds "github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// sick is a real datastore that is down for a while, as one that is closed and opened
// again after a failed write, and that counts what is read of it.
type sick struct {
	ds.TxnDatastore
	down  atomic.Bool
	reads atomic.Int64

	mu   sync.Mutex
	late ds.Txn // committed when it is up again, and reported as failed before
}

var errDown = fmt.Errorf("down: %w", syscall.EIO)

func (s *sick) up(t *testing.T) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.late != nil {
		if err := s.late.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.late = nil
	}
	s.down.Store(false)
}

// forgetLate leaves what failed as failed.
func (s *sick) forgetLate() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.late = nil
}

func (s *sick) Put(ctx context.Context, k ds.Key, v []byte) error {
	if s.down.Load() {
		return errDown
	}
	return s.TxnDatastore.Put(ctx, k, v)
}

func (s *sick) Get(ctx context.Context, k ds.Key) ([]byte, error) {
	s.reads.Add(1)
	return s.TxnDatastore.Get(ctx, k)
}

func (s *sick) Query(ctx context.Context, q query.Query) (query.Results, error) {
	res, err := s.TxnDatastore.Query(ctx, q)
	if err != nil {
		return nil, err
	}
	entries, err := res.Rest()
	s.reads.Add(1 + int64(len(entries)))
	return query.ResultsWithEntries(q, entries), err
}

func (s *sick) NewTransaction(ctx context.Context, readOnly bool) (ds.Txn, error) {
	txn, err := s.TxnDatastore.NewTransaction(ctx, readOnly)
	return &sickTxn{Txn: txn, s: s}, err
}

type sickTxn struct {
	ds.Txn
	s     *sick
	delta bool // it writes what the CRDT keeps of a delta
}

func (t *sickTxn) Put(ctx context.Context, k ds.Key, v []byte) error {
	t.delta = t.delta || strings.HasPrefix(k.String(), "/paths/crdt/")
	return t.Txn.Put(ctx, k, v)
}

func (t *sickTxn) Get(ctx context.Context, k ds.Key) ([]byte, error) {
	t.s.reads.Add(1)
	return t.Txn.Get(ctx, k)
}

func (t *sickTxn) Commit(ctx context.Context) error {
	if t.s.down.Load() {
		t.s.mu.Lock()
		defer t.s.mu.Unlock()
		if t.delta {
			t.s.late = t.Txn
		}
		return errDown
	}
	return t.Txn.Commit(ctx)
}

func (t *sickTxn) Discard(ctx context.Context) {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	if t.s.late != t.Txn {
		t.Txn.Discard(ctx)
	}
}

// alone opens a map on a datastore that can be sick.
func alone(t *testing.T) (*sick, *pathmap.Map) {
	t.Helper()
	s := &sick{TxnDatastore: openStore(t, t.TempDir())}
	m, err := pathmap.Open(t.Context(), pathmap.Config{Store: s, Self: "a", Log: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(m.Close(), s.Close()); err != nil {
			t.Error(err)
		}
	})
	eventually(t, "the map has put its history in order", func() bool {
		done, err := s.Has(t.Context(), ds.NewKey("/paths/ordered"))
		return done && err == nil
	})
	return s, m
}

// TestAFailedWriteReadsNoMoreOfALargeMap than of a small one, nor does the write after it,
// which mends what failed.
func TestAFailedWriteReadsNoMoreOfALargeMap(t *testing.T) {
	sizes := []int{1_000, 100_000}
	if testing.Short() {
		sizes[1] = 3_000
	}
	var reads []int64
	for _, n := range sizes {
		s, m := alone(t)
		if err := m.Write(t.Context(), images(t, n)...); err != nil {
			t.Fatal(err)
		}
		s.down.Store(true)
		s.reads.Store(0)
		for range 3 {
			if err := m.Put(t.Context(), "/p", entryOf(t, "failed")); !errors.Is(err, syscall.EIO) {
				t.Fatalf("put: %v", err)
			}
		}
		s.forgetLate()
		s.up(t)
		if err := m.Put(t.Context(), "/p", entryOf(t, "1")); err != nil {
			t.Fatal(err)
		}
		reads = append(reads, s.reads.Load())
		if got := m.View().Len(); got != n+1 {
			t.Errorf("%d paths, not %d", got, n+1)
		}
	}
	t.Logf("%d reads with %d paths, %d with %d", reads[0], sizes[0], reads[1], sizes[1])
	if reads[0] != reads[1] || reads[0] > 100 {
		t.Errorf("%d reads with %d paths, %d with %d", reads[0], sizes[0], reads[1], sizes[1])
	}
}

// TestTheMapHealsWithItsDatastore, which is down for a while, without a restart. A commit
// that failed and is on disk afterwards is in the map then.
func TestTheMapHealsWithItsDatastore(t *testing.T) {
	s, m := alone(t)
	if err := m.Put(t.Context(), "/kept", entryOf(t, "1")); err != nil {
		t.Fatal(err)
	}
	digest := m.View().Digest()
	s.down.Store(true)
	for _, path := range []string{"/late", "/kept", "/other"} {
		if err := m.Put(t.Context(), path, entryOf(t, "2")); !errors.Is(err, syscall.EIO) {
			t.Fatalf("put %s: %v", path, err)
		}
	}
	if m.View().Digest() != digest {
		t.Error("what failed is in the map")
	}
	s.up(t)
	if err := m.Put(t.Context(), "/after", entryOf(t, "1")); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{"/kept": true, "/late": true, "/after": true, "/other": false} {
		if got := m.View().Versions(path) == 1; got != want {
			t.Errorf("%s is there: %t", path, got)
		}
	}
	digest = m.View().Digest()
	again, err := pathmap.Open(t.Context(), pathmap.Config{Store: s, Self: "a", Log: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	if again.View().Digest() != digest {
		t.Error("memory and disk have parted")
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
}
