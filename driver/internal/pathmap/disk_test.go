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
	"time"

	ds "github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"
	logging "github.com/ipfs/go-log/v2"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// disk is a real datastore whose transactions can be made to fail.
type disk struct {
	ds.TxnDatastore
	full   atomic.Bool  // nothing can be committed
	unsure atomic.Bool  // what is committed is written, and reported as failed
	room   atomic.Int64 // how many transactions can be committed, and one more, after which it is full; 0: all
	torn   atomic.Int64 // a transaction fails at this write of it; 0: at none
	failed atomic.Int64

	unsureState atomic.Bool // the transaction of a state is written, and reported as failed; nothing can be put then
	noPut       atomic.Bool // nothing can be put outside of a transaction
	noState     atomic.Bool // the transaction of a state fails
	noVersions  atomic.Bool // versions of a state cannot be put

	dropsLeft atomic.Int64 // from which transaction on that deletes what a state deleted these fail; 0: from none

	blocksRead atomic.Int64
	queries    atomic.Int64
	namesRead  atomic.Int64 // look-ups of whether a delta is merged, or lies behind a cut

	moves atomic.Int64 // what becomes of the next transaction that moves names of a state: failMove or unsureMove
}

const (
	failMove   = 1
	unsureMove = 2 // it is written, and reported as failed
)

func (d *disk) count(k ds.Key) {
	if strings.HasPrefix(k.String(), "/paths/blocks/") {
		d.blocksRead.Add(1)
	}
	for _, names := range []string{"/paths/known/", "/paths/behind/", "/paths/bygone/"} {
		if strings.HasPrefix(k.String(), names) {
			d.namesRead.Add(1)
		}
	}
}

func (d *disk) Get(ctx context.Context, k ds.Key) ([]byte, error) {
	d.count(k)
	return d.TxnDatastore.Get(ctx, k)
}

func (d *disk) Query(ctx context.Context, q query.Query) (query.Results, error) {
	d.queries.Add(1)
	return d.TxnDatastore.Query(ctx, q)
}

func (d *disk) Put(ctx context.Context, k ds.Key, v []byte) error {
	if d.noPut.Load() {
		return fmt.Errorf("put: %w", syscall.ENOSPC)
	}
	return d.TxnDatastore.Put(ctx, k, v)
}

func (t *diskTxn) Delete(ctx context.Context, k ds.Key) error {
	t.state = t.state || k.String() == "/paths/taking"
	t.moves = t.moves || strings.HasPrefix(k.String(), "/paths/behind/")
	t.drops = t.drops || strings.HasPrefix(k.String(), "/paths/drop/") && !t.state
	return t.Txn.Delete(ctx, k)
}

func (t *diskTxn) Get(ctx context.Context, k ds.Key) ([]byte, error) {
	t.d.count(k)
	return t.Txn.Get(ctx, k)
}

func (d *disk) NewTransaction(ctx context.Context, readOnly bool) (ds.Txn, error) {
	txn, err := d.TxnDatastore.NewTransaction(ctx, readOnly)
	return &diskTxn{Txn: txn, d: d}, err
}

type diskTxn struct {
	ds.Txn
	d      *disk
	writes int64
	state  bool // it makes a state a part of the map
	drops  bool // it deletes what a state deleted
	moves  bool // it moves names of a state
}

func (t *diskTxn) fail(op string) error {
	t.d.failed.Add(1)
	return fmt.Errorf("%s: %w", op, syscall.ENOSPC)
}

func (t *diskTxn) Put(ctx context.Context, k ds.Key, v []byte) error {
	if t.writes++; t.writes == t.d.torn.Load() {
		return t.fail("put")
	}
	if t.d.noVersions.Load() && strings.HasPrefix(k.String(), "/paths/crdt/s/s/") {
		return t.fail("put")
	}
	return t.Txn.Put(ctx, k, v)
}

func (t *diskTxn) Commit(ctx context.Context) error {
	if t.d.room.Load() > 0 && t.d.room.Add(-1) == 0 {
		t.d.full.Store(true)
	}
	if t.d.full.Load() || t.state && t.d.noState.Load() {
		return t.fail("commit")
	}
	if left := t.d.dropsLeft.Load(); t.drops && left > 0 {
		if left == 1 {
			return t.fail("commit")
		}
		t.d.dropsLeft.Add(-1)
	}
	if t.moves && t.d.moves.CompareAndSwap(failMove, 0) {
		return t.fail("commit")
	}
	unsureMoves := t.moves && t.d.moves.CompareAndSwap(unsureMove, 0)
	unsureState := t.state && t.d.unsureState.Swap(false)
	t.d.noPut.CompareAndSwap(false, unsureState)
	if err := t.Txn.Commit(ctx); err != nil || !t.d.unsure.Load() && !unsureState && !unsureMoves {
		return err
	}
	return t.fail("commit")
}

// restartKeepsTheMap: what memory says is what the disk says.
func restartKeepsTheMap(t *testing.T, s *seat) {
	t.Helper()
	digest := s.m.View().Digest()
	s.stop()
	s.start()
	if s.m.View().Digest() != digest {
		t.Error("after a restart the map is another: memory and disk had parted")
	}
}

func mustFail(t *testing.T, s *seat, path string) {
	t.Helper()
	if err := s.m.Put(t.Context(), path, entryOf(t, "failed")); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("put %s on a full disk: %v", path, err)
	}
}

// TestAFullDisk fails the commits of one registry's own writes, overwrites and
// deletes: each is an error and changes nothing, here or elsewhere, and what
// comes later is taken.
func TestAFullDisk(t *testing.T) {
	f := newFabric(t)
	a, b := f.add("a"), f.add("b")
	put(t, a, "/kept", "1")
	put(t, a, "/deleted", "1")
	agree(t, a, b)
	digest, heads := a.m.View().Digest(), a.m.Heads()
	a.disk.full.Store(true)
	for i := range 5 {
		mustFail(t, a, fmt.Sprintf("/new/%d", i))
		mustFail(t, a, "/kept")
		if err := a.m.Write(t.Context(), pathmap.Op{Path: "/deleted"}); !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("delete on a full disk: %v", err)
		}
		if a.m.View().Digest() != digest || len(a.m.Heads()) != 1 || a.m.Heads()[0] != heads[0] {
			t.Fatal("a failed write changed the map")
		}
	}
	a.disk.full.Store(false)
	put(t, a, "/after", "1")
	put(t, b, "/of-b", "1")
	agree(t, a, b)
	for _, s := range []*seat{a, b} {
		if !gone(s, "/new/0") || !has(s, "/kept", "1", t) || !has(s, "/deleted", "1", t) || !has(s, "/after", "1", t) {
			t.Errorf("%s holds what failed, or lacks what did not", s.id)
		}
	}
	restartKeepsTheMap(t, a)
	put(t, a, "/kept", "2")
	agree(t, a, b)
	if n := b.m.View().Versions("/kept"); n != 1 || !has(b, "/kept", "2", t) {
		t.Errorf("%d versions: the write after the restart did not replace the one before", n)
	}
}

// TestAFullDiskWhileMerging fills the disk of a registry that others write to:
// it takes no part of a delta, and all of them once there is room.
func TestAFullDiskWhileMerging(t *testing.T) {
	f := newFabric(t)
	a, b := f.add("a"), f.add("b")
	put(t, a, "/p", "1")
	agree(t, a, b)
	digest := b.m.View().Digest()
	b.disk.full.Store(true)
	put(t, a, "/p", "2")
	for i := range 100 {
		put(t, a, fmt.Sprintf("/x/%d", i), "1")
	}
	eventually(t, "b tries, and again", func() bool { return b.disk.failed.Load() > 3 })
	if b.m.View().Digest() != digest {
		t.Error("a part of what could not be stored is visible")
	}
	if w := b.warnings(); len(w) != 1 || !strings.Contains(w[0], "disk full") {
		t.Errorf("an operator is told %q", w)
	}
	mustFail(t, b, "/of-b")
	b.disk.full.Store(false)
	agree(t, a, b)
	put(t, b, "/of-b", "1")
	agree(t, a, b)
	restartKeepsTheMap(t, b)
}

// TestATornTransaction fails single writes within transactions, ever later
// ones, on both sides: in the CRDT's own keeping, in blocks and in marks.
func TestATornTransaction(t *testing.T) {
	if err := logging.SetLogLevel("crdt", "fatal"); err != nil { // it logs each of these errors
		t.Fatal(err)
	}
	defer func() { _ = logging.SetLogLevel("crdt", "error") }()
	f := newFabric(t)
	a, b := f.add("a"), f.add("b")
	for i := range int64(30) {
		path := fmt.Sprintf("/x/%d", i)
		a.disk.torn.Store(1 + i%15)
		b.disk.torn.Store(1 + i%7)
		tries := b.disk.failed.Load()
		_ = a.m.Put(t.Context(), path, entryOf(t, "torn")) // fails when it has that many writes
		if wrote := a.m.View(); !gone(a, path) && wrote.Versions(path) != 1 {
			t.Fatalf("%d versions of one write", wrote.Versions(path))
		}
		a.disk.torn.Store(0)
		put(t, a, path, "whole")
		eventually(t, "b fails to merge it", func() bool { return b.disk.failed.Load() > tries })
		if !gone(b, path) {
			t.Fatal("a part of what could not be stored is visible")
		}
		b.disk.torn.Store(0)
		agree(t, a, b)
		if n := b.m.View().Versions(path); n != 1 || !has(b, path, "whole", t) {
			t.Fatalf("%d versions of %s", n, path)
		}
	}
	if n := a.disk.failed.Load(); n < 10 {
		t.Errorf("only %d of a's transactions failed: the test tested little", n)
	}
	restartKeepsTheMap(t, a)
	restartKeepsTheMap(t, b)
	agree(t, a, b)
}

// TestACommitThatOnlyLooksFailed: the disk reports an error for what it wrote.
// The caller gets the error, and memory follows the disk.
func TestACommitThatOnlyLooksFailed(t *testing.T) {
	f := newFabric(t)
	a, b := f.add("a"), f.add("b")
	put(t, a, "/p", "1")
	agree(t, a, b)
	a.disk.unsure.Store(true)
	mustFail(t, a, "/q")
	a.disk.unsure.Store(false)
	put(t, a, "/q", "2")
	agree(t, a, b)
	if n := b.m.View().Versions("/q"); n != 1 || !has(b, "/q", "2", t) {
		t.Errorf("%d versions of a path written again after the error", n)
	}
	restartKeepsTheMap(t, a)
	agree(t, a, b)
}

// TestWritersOnADiskThatFillsUpNowAndThen lets several write while commits fail
// in turns: exactly what was acknowledged is there, on both registries.
func TestWritersOnADiskThatFillsUpNowAndThen(t *testing.T) {
	f := newFabric(t)
	a, b := f.add("a"), f.add("b")
	stop := make(chan struct{})
	var filler, writers sync.WaitGroup
	filler.Go(func() {
		for on := true; ; on = !on {
			a.disk.full.Store(on)
			select {
			case <-stop:
				a.disk.full.Store(false)
				return
			case <-time.After(2 * time.Millisecond):
			}
		}
	})
	var mu sync.Mutex
	outcome := map[string]bool{}
	for w := range 4 {
		writers.Go(func() {
			for i := range 60 {
				path := fmt.Sprintf("/%d/%d", w, i)
				err := a.m.Put(context.Background(), path, entryOf(t, path))
				mu.Lock()
				outcome[path] = err == nil
				mu.Unlock()
			}
		})
	}
	writers.Wait()
	close(stop)
	filler.Wait()
	put(t, a, "/last", "1")
	agree(t, a, b)
	var wrong []string
	failed := 0
	for path, ok := range outcome {
		if !ok {
			failed++
		}
		if gone(b, path) == ok {
			wrong = append(wrong, path)
		}
	}
	if len(wrong) > 0 {
		t.Errorf("lost although acknowledged, or there although refused: %s", strings.Join(wrong, " "))
	}
	t.Logf("%d of %d writes failed", failed, len(outcome))
	if failed == 0 || failed == len(outcome) {
		t.Error("the disk was never full, or never had room")
	}
}

func dsKey(key string) ds.Key { return ds.RawKey(key) }
