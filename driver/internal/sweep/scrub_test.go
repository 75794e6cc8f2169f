package sweep

import (
	"context"
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	ds "github.com/ipfs/go-datastore"
	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"
	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/datastore"
)

// counting is a datastore that counts what is written.
type counting struct {
	ds.Batching
	writes atomic.Int64
}

func (c *counting) Put(ctx context.Context, k ds.Key, v []byte) error {
	c.writes.Add(1)
	return c.Batching.Put(ctx, k, v)
}

func (c *counting) Delete(ctx context.Context, k ds.Key) error {
	c.writes.Add(1)
	return c.Batching.Delete(ctx, k)
}

func (c *counting) Batch(ctx context.Context) (ds.Batch, error) {
	c.writes.Add(1)
	return c.Batching.Batch(ctx)
}

// scrubbed is a disk with blobs on it.
type scrubbed struct {
	t     *testing.T
	dir   string
	db    *counting
	blobs *blob.Store
	refs  []dag.Ref
	log   *logrus.Entry
}

func newScrubbed(t *testing.T, sizes ...int) *scrubbed {
	t.Helper()
	logger, _ := test.NewNullLogger()
	d := &scrubbed{t: t, dir: t.TempDir(), log: logrus.NewEntry(logger)}
	db, err := datastore.Open(filepath.Join(d.dir, "badger"), d.log)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	d.db = &counting{Batching: db}
	d.blobs, err = blob.Open(d.dir, d.db, d.log)
	require.NoError(t, err)
	for i, size := range sizes {
		content := make([]byte, size)
		rand.New(rand.NewSource(int64(i))).Read(content)
		ref, err := d.blobs.Put(t.Context(), content)
		require.NoError(t, err)
		d.refs = append(d.refs, ref)
	}
	return d
}

func (d *scrubbed) file(ref dag.Ref) string { return filepath.Join(d.dir, "blobs", ref.CID.String()) }

// scrub makes one that wants everything.
func (d *scrubbed) scrub(interval time.Duration) *Scrub {
	s := NewScrub(ScrubConfig{
		Blobs: d.blobs, Interval: interval, File: filepath.Join(d.dir, "scrub.json"),
		Wanted: func(cid.Cid) bool { return true }, Tables: d.db.Batching.(*datastore.Datastore).DamagedTables, Log: d.log,
	})
	d.t.Cleanup(s.Close)
	return s
}

// patient bounds every wait for what comes soon, even on a busy machine.
const patient = 3 * time.Minute

func (d *scrubbed) await(what string, ok func() bool) {
	d.t.Helper()
	require.Eventually(d.t, ok, patient, 2*time.Millisecond, what)
}

func twenty(size int) (sizes []int) {
	for i := range 20 {
		sizes = append(sizes, size+i)
	}
	return sizes
}

// TestAScrubWritesNothing but its place while nothing is wrong.
func TestAScrubWritesNothing(t *testing.T) {
	d := newScrubbed(t, append(twenty(1000), 3*dag.LeafSize+5)...)
	files := func() (all []os.FileInfo) {
		for _, dir := range []string{"blobs", "staging"} {
			entries, err := os.ReadDir(filepath.Join(d.dir, dir))
			require.NoError(t, err)
			for _, e := range entries {
				info, err := e.Info()
				require.NoError(t, err)
				all = append(all, info)
			}
		}
		return all
	}
	before, written := files(), d.db.writes.Load()
	s := d.scrub(200 * time.Millisecond)
	s.Start()
	d.await("two laps", func() bool { return s.State().Blobs >= 2*int64(len(d.refs)) })
	s.Close()
	require.Equal(t, before, files())
	require.Equal(t, written, d.db.writes.Load())
	state := s.State()
	require.NotNil(t, state.Ended)
	require.Zero(t, state.Damaged+state.Lost+state.Recorded+state.Unread+state.Strays)
	require.GreaterOrEqual(t, state.Bytes, int64(2*3*dag.LeafSize))
}

// TestAScrubGoesOnWhereItWas when the registry was stopped: it reads what it has not read.
func TestAScrubGoesOnWhereItWas(t *testing.T) {
	d := newScrubbed(t, twenty(1000)...)
	s := d.scrub(20 * time.Second)
	s.Start()
	d.await("some are read", func() bool { return s.State().Blobs >= 2 })
	s.Close()
	read := s.State()
	require.Less(t, read.Blobs, int64(20))
	require.InDelta(t, float64(read.Blobs)/20, read.Share, 0.06)
	again := d.scrub(20 * time.Second)
	rest, err := again.page()
	require.NoError(t, err)
	require.Len(t, rest, 20-int(read.Blobs))
	for _, ref := range rest {
		require.Greater(t, ref.CID.String(), s.lap.After)
	}
	require.True(t, again.State().Began.Equal(read.Began), "it is another lap")
	again.count()
	require.InDelta(t, read.Share, again.State().Share, 0.06)
}

// TestAScrubGoesOnWithinABlob.
func TestAScrubGoesOnWithinABlob(t *testing.T) {
	d := newScrubbed(t, 20*dag.LeafSize)
	s := d.scrub(20 * time.Second)
	s.Start()
	d.await("some leaves are read", func() bool { return s.State().Bytes >= 2*dag.LeafSize })
	s.Close()
	again := d.scrub(time.Nanosecond) // as fast as it can
	again.cfg.Interval = time.Nanosecond
	again.count()
	require.True(t, again.blob(d.refs[0]))
	require.Equal(t, int64(20*dag.LeafSize), s.State().Bytes+again.State().Bytes)
}

// TestWhatAScrubFinds: each kind of fault is counted, and dealt with.
func TestWhatAScrubFinds(t *testing.T) {
	d := newScrubbed(t, 1000, 2000, 3*dag.LeafSize, 4000)
	flip := func(ref dag.Ref, at int64) {
		f, err := os.OpenFile(d.file(ref), os.O_RDWR, 0)
		require.NoError(t, err)
		b := make([]byte, 1)
		_, err = f.ReadAt(b, at)
		require.NoError(t, err)
		_, err = f.WriteAt([]byte{b[0] ^ 1}, at)
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
	flip(d.refs[0], 5)
	require.NoError(t, os.Remove(d.file(d.refs[1])))
	flip(d.refs[2], 2*dag.LeafSize+5)
	whole, err := os.ReadFile(d.file(d.refs[3]))
	require.NoError(t, err)
	require.NoError(t, d.blobs.Delete(t.Context(), d.refs[3].CID))
	require.NoError(t, os.WriteFile(d.file(d.refs[3]), whole, 0o600)) // without a record
	require.NoError(t, os.WriteFile(filepath.Join(d.dir, "blobs", "core"), whole, 0o600))
	s := d.scrub(100 * time.Millisecond)
	s.Start()
	d.await("a lap is done", func() bool { return s.State().Ended != nil })
	s.Close()
	state := s.State()
	require.Equal(t, []int{2, 1, 1, 1, 0}, []int{state.Damaged, state.Lost, state.Recorded, state.Strays, state.Unread})
	var rotten []string
	for _, ref := range d.blobs.Rotten() {
		rotten = append(rotten, ref.CID.String())
	}
	for i, want := range []bool{true, true, true, false} {
		require.Equal(t, want, strings.Contains(strings.Join(rotten, " "), d.refs[i].CID.String()), "blob %d", i)
		require.Equal(t, !want, d.blobs.Has(d.refs[i].CID), "blob %d", i)
	}
	n, size := d.blobs.Usage()
	require.Equal(t, 1, n)
	require.Equal(t, d.refs[3].Size, size)
	d.blobs, err = blob.Open(d.dir, d.db, d.log) // as after a restart
	require.NoError(t, err)
	require.Len(t, d.blobs.Rotten(), 3)
}

// TestALostFileThatNeedNotBeKept is forgotten.
func TestALostFileThatNeedNotBeKept(t *testing.T) {
	d := newScrubbed(t, 1000, 2*dag.LeafSize)
	for _, ref := range d.refs {
		require.NoError(t, os.Remove(d.file(ref)))
	}
	s := d.scrub(100 * time.Millisecond)
	s.cfg.Wanted = func(cid.Cid) bool { return false }
	s.Start()
	d.await("both are seen", func() bool { return s.State().Lost == 2 })
	s.Close()
	require.Empty(t, d.blobs.Rotten())
	arriving, err := d.blobs.Arriving(t.Context())
	require.NoError(t, err)
	require.Empty(t, arriving)
}

// TestALostBlobThatComesAgainStays: it is pushed between the look that missed it and the removal of
// what is left of it.
func TestALostBlobThatComesAgainStays(t *testing.T) {
	d := newScrubbed(t, 1000)
	content, err := os.ReadFile(d.file(d.refs[0]))
	require.NoError(t, err)
	require.NoError(t, os.Remove(d.file(d.refs[0])))
	s := d.scrub(100 * time.Millisecond)
	s.cfg.Wanted = func(cid.Cid) bool {
		_, err := d.blobs.Put(t.Context(), content)
		require.NoError(t, err)
		return false
	}
	s.Start()
	d.await("it is seen", func() bool { return s.State().Blobs > 0 })
	s.Close()
	require.True(t, d.blobs.Has(d.refs[0].CID))
}
