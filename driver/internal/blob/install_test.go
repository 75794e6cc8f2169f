package blob

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ipfs/go-datastore"
	"github.com/opencontainers/go-digest"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
)

// ways are those by which a blob comes here. What they return ends it, and can be called
// again when that fails.
var ways = map[string]func(*testing.T, *disk, arriving) (end func() error){
	"upload": func(t *testing.T, d *disk, a arriving) func() error {
		file := filepath.Join(d.dir, "staging", "u")
		u, err := d.store.Upload(file, true)
		require.NoError(t, err)
		mustWrite(t, u, a.content, true)
		return func() error {
			_, err := d.adoptUpload(context.Background(), file, digest.FromBytes(a.content), seen(a.content), 0)
			return err
		}
	},
	"put": func(_ *testing.T, d *disk, a arriving) func() error {
		return func() error { _, err := d.store.Put(context.Background(), a.content); return err }
	},
	"fetch": func(t *testing.T, d *disk, a arriving) func() error {
		p := a.open(t, d)
		a.put(t, p, 0, 1, 2)
		require.NoError(t, p.Close())
		return func() error {
			p, err := d.store.Partial(a.layout, a.inner)
			if err != nil {
				return err
			}
			return errors.Join(p.Finish(context.Background()), p.Close())
		}
	},
}

// fullIndex is the datastore on a full disk.
type fullIndex struct{ datastore.Batching }

func (fullIndex) Batch(context.Context) (datastore.Batch, error) { return nil, unix.ENOSPC }

// cuts make the end of a way fail, and undo that.
var cuts = map[string]func(*testing.T, *disk) (undo func(), why error){
	"before the record": func(_ *testing.T, d *disk) (func(), error) {
		store := d.store.index.store
		d.store.index.store = fullIndex{store}
		return func() { d.store.index.store = store }, unix.ENOSPC
	},
	"before the name": func(t *testing.T, d *disk) (func(), error) {
		away := d.store.blobs + "-away"
		require.NoError(t, os.Rename(d.store.blobs, away))
		return func() {
			require.NoError(t, os.Rename(away, d.store.blobs))
			require.Empty(t, d.keys(rootPrefix))
		}, os.ErrNotExist
	},
}

// TestAnInstallationThatIsCut by a failure, or by a kill: the blob is not here, its bytes
// still are, and it comes by the same way.
func TestAnInstallationThatIsCut(t *testing.T) {
	for way, begin := range ways {
		for where, cut := range cuts {
			for _, happens := range []string{"failure", "kill", "failure after a transfer was cut", "kill after a transfer was cut"} {
				t.Run(way+" "+where+", "+happens, func(t *testing.T) {
					d := newDisk(t)
					a := newArriving(t, 2*dag.LeafSize+1)
					if strings.Contains(happens, "transfer") {
						p := a.open(t, d)
						a.put(t, p, 1)
						require.NoError(t, p.Close())
					}
					end := begin(t, d, a)
					undo, why := cut(t, d)
					require.ErrorIs(t, end(), why)
					undo()
					if strings.HasPrefix(happens, "kill") {
						d.restart()
						d.requireUsage(0, 0)
						require.Empty(t, d.keys(rootPrefix))
						require.Empty(t, d.logs.AllEntries())
					}
					require.False(t, d.store.Has(a.layout.Root))
					require.NoError(t, end())
					d.requireContent(a.ref(), a.content)
					d.requireUsage(1, a.layout.Size)
					require.Empty(t, d.stagedFiles())
					require.Empty(t, d.keys(partialPrefix))
				})
			}
		}
	}
}

// slowIndex is a datastore that takes its time for each batch.
type slowIndex struct {
	datastore.Batching
	asked, may chan struct{}
}

func (s slowIndex) Batch(ctx context.Context) (datastore.Batch, error) {
	s.asked <- struct{}{}
	<-s.may
	return s.Batching.Batch(ctx)
}

// TestABlobIsNotHereBeforeItIsSafe though its file has its name already.
func TestABlobIsNotHereBeforeItIsSafe(t *testing.T) {
	d := newDisk(t)
	a := newArriving(t, 5000)
	slow := slowIndex{d.store.index.store, make(chan struct{}), make(chan struct{})}
	d.store.index.store = slow
	done := make(chan error, 1)
	go func() { _, err := d.store.Put(context.Background(), a.content); done <- err }()
	<-slow.asked
	require.Eventually(t, func() bool {
		_, err := os.Stat(d.store.path(a.layout.Root))
		return err == nil
	}, patient, time.Millisecond)
	require.NoError(t, (index{slow.Batching}).addBlob(t.Context(), a.layout, nil, false), "the record may come first")
	require.False(t, d.store.Has(a.layout.Root))
	_, err := d.store.Open(a.layout.Root)
	require.ErrorIs(t, err, ErrNotFound)
	close(slow.may)
	require.NoError(t, <-done)
	d.requireContent(a.ref(), a.content)
	d.requireUsage(1, a.layout.Size)
}

// TestOneBlobByAllWays at the same time, while it is deleted, looked at, and read.
func TestOneBlobByAllWays(t *testing.T) {
	d := newDisk(t)
	a := newArriving(t, 2*dag.LeafSize+1)
	ctx := context.Background()
	all := []func() error{
		func() error {
			_, err := d.adoptUpload(ctx, d.stage(a.content), digest.FromBytes(a.content), Seen{}, 0)
			return err
		},
		func() error { _, err := d.store.Put(ctx, a.content); return err },
		func() error {
			p, err := d.store.Partial(a.layout, a.inner)
			if err != nil {
				return err
			}
			for i := range a.layout.Leaves() {
				err = errors.Join(err, p.Put(i, leafOf(a.content, i)))
			}
			return errors.Join(err, p.Finish(ctx), p.Close())
		},
		func() error { return d.store.Delete(ctx, a.layout.Root) },
		func() error { _, _, err := d.store.Check(ctx, a.ref(), func(int64) {}); return err },
		func() error {
			got, err := d.read(a.ref(), 0)
			if err == nil && len(got) != len(a.content) {
				err = errors.New("other bytes")
			}
			return err
		},
	}
	var wg sync.WaitGroup
	for _, way := range all {
		for range 2 {
			wg.Go(func() {
				for range 30 {
					if err := way(); err != nil && !errors.Is(err, ErrPinned) && !errors.Is(err, ErrNotFound) {
						t.Error(err)
					}
				}
			})
		}
	}
	wg.Wait()
	require.NoError(t, all[0]())
	check := func() {
		d.requireContent(a.ref(), a.content)
		d.requireUsage(1, a.layout.Size)
		require.Empty(t, d.stagedFiles())
		require.Empty(t, d.keys(partialPrefix))
		require.Empty(t, d.keys(rottenPrefix))
	}
	check()
	require.Empty(t, d.store.pins.held)
	require.Empty(t, d.store.locks.held)
	require.Empty(t, d.store.partials)
	d.restart()
	check()
}
