package blob

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ipfs/go-cid"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag/dagtest"
)

func TestAPinnedBlobIsNotDeleted(t *testing.T) {
	d := newDisk(t)
	content := random(1, 2*dag.LeafSize)
	ref, first, err := d.pushUpload(t.Context(), d.stage(content), "", Seen{}, 0)
	require.NoError(t, err)
	second := d.store.Pin(ref.CID)
	require.ErrorIs(t, d.store.Delete(t.Context(), ref.CID), ErrPinned)
	first()
	first()
	require.ErrorIs(t, d.store.Delete(t.Context(), ref.CID), ErrPinned)
	damage(t, d.store.path(ref.CID), 5)
	_, err = d.read(ref, 0)
	require.ErrorIs(t, err, ErrRotten)
	require.True(t, d.store.Has(ref.CID), "a pinned blob was set aside")
	second()
	_, err = d.read(ref, 0)
	require.ErrorIs(t, err, ErrRotten)
	require.False(t, d.store.Has(ref.CID))
	require.NoError(t, d.store.Delete(t.Context(), ref.CID))
	require.Empty(t, d.store.pins.held)
	require.Empty(t, d.stagedFiles())
}

func TestATransferThatEndedIsPinnedUntilItIsClosed(t *testing.T) {
	d := newDisk(t)
	a := newArriving(t, 2*dag.LeafSize)
	for range 2 { // the second finds it here
		p := a.open(t, d)
		for i := range 2 {
			a.put(t, p, i)
		}
		require.NoError(t, p.Finish(t.Context()))
		require.ErrorIs(t, d.store.Delete(t.Context(), a.layout.Root), ErrPinned)
		require.NoError(t, p.Close())
	}
	require.NoError(t, d.store.Delete(t.Context(), a.layout.Root))
	require.Empty(t, d.store.pins.held)
}

// TestABlobThatCannotBeOpenedIsNotPinned: nobody would ever unpin it, and a pinned blob
// that rots is not mended.
func TestABlobThatCannotBeOpenedIsNotPinned(t *testing.T) {
	d := newDisk(t)
	a := newArriving(t, 2*dag.LeafSize)
	p := a.open(t, d)
	for i := range 2 {
		a.put(t, p, i)
	}
	require.NoError(t, errors.Join(p.Finish(t.Context()), p.Close()))
	var old unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &old))
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Max: old.Max}))
	_, err := d.store.Partial(a.layout, a.inner)
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &old))
	require.ErrorIs(t, err, unix.EMFILE)
	require.Empty(t, d.store.pins.held)
}

// TestDeletionSparesAPush deletes what no entry names, again and again, while the same blobs
// are pushed, given an entry, and lose it.
func TestDeletionSparesAPush(t *testing.T) {
	d := newDisk(t)
	var entries sync.Map
	used := func(c cid.Cid) bool { _, ok := entries.Load(c); return ok }
	contents := [][]byte{random(1, 10), random(2, 2*dag.LeafSize)}
	ctx, stop := context.WithCancel(t.Context())
	var pushers, collector sync.WaitGroup
	var pinned, deleted atomic.Int64
	collector.Go(func() {
		for ctx.Err() == nil {
			for _, content := range contents {
				l, _, err := dag.Profile().Build(dag.SHA2, dagtest.Sums(uint64(dag.SHA2), dag.LeafSize, content), int64(len(content)))
				if err != nil {
					t.Error(err)
					return
				}
				switch err := d.store.DeleteUnused(context.Background(), l.Root, used); {
				case err == nil:
					deleted.Add(1)
				case errors.Is(err, ErrPinned):
					pinned.Add(1)
				case !errors.Is(err, ErrUsed):
					t.Error(err)
				}
			}
		}
	})
	for i := range 4 {
		pushers.Go(func() {
			content := contents[i%2]
			for round := 0; round < 40 || round < 2000 && (deleted.Load() == 0 || pinned.Load() == 0); round++ {
				var ref dag.Ref
				var unpin Unpin
				var err error
				if i < 2 {
					ref, unpin, err = d.pushContent(context.Background(), content, 0)
				} else {
					ref, unpin, err = d.pushUpload(context.Background(), d.stage(content), "", Seen{}, 0)
				}
				if err != nil {
					t.Error(err)
					return
				}
				if !d.store.Has(ref.CID) {
					t.Error("gone before its entry was written")
				}
				entries.Store(ref.CID, true)
				unpin()
				if got, err := d.read(ref, 0); i == 0 && (err != nil || len(got) != len(content)) {
					_, still := entries.Load(ref.CID)
					if still {
						t.Errorf("an entry without bytes: %v", err)
					}
				}
				if round%2 == 1 {
					entries.Delete(ref.CID)
				}
			}
		})
	}
	pushers.Wait()
	stop()
	collector.Wait()
	require.NotZero(t, deleted.Load())
	require.NotZero(t, pinned.Load())
}
