package sweep

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	badger "github.com/ipfs/go-ds-badger"
	"github.com/opencontainers/go-digest"
	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"
	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/smalldisk"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag/dagtest"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/ocipath"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/room"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/sweep/evict"
)

// cacheRoom is a cache on a real disk, of which a test says what others keep.
type cacheRoom struct {
	t     *testing.T
	dir   string
	blobs *blob.Store
	bytes *Bytes
	cache *Cache
	logs  *test.Hook
	refs  []dag.Ref // the i-th was used later than those before it

	mu    sync.Mutex
	kept  map[cid.Cid]bool // here
	last  map[cid.Cid]bool // copies that others do not keep
	asked []cid.Cid
	free  int64
	path  []pathmap.Version
}

var errLast = errors.New("nobody else keeps it")

// newCacheRoom makes a cache with that limit of n blobs of size bytes each, on a disk of its own
// unless dir is another one.
func newCacheRoom(t *testing.T, dir string, limit int64, n, size int) *cacheRoom {
	t.Helper()
	r := &cacheRoom{t: t, dir: dir, kept: map[cid.Cid]bool{}, last: map[cid.Cid]bool{}}
	options := badger.DefaultOptions
	options.SyncWrites = false
	require.NoError(t, os.Mkdir(filepath.Join(dir, "badger"), 0o700))
	db, err := badger.NewDatastore(filepath.Join(dir, "badger"), &options)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	logger, logs := test.NewNullLogger()
	r.logs = logs
	r.blobs, err = blob.Open(dir, db, logrus.NewEntry(logger))
	require.NoError(t, err)
	r.bytes = NewBytes(r.blobs)
	r.cache = NewCache(CacheConfig{
		Blobs: r.blobs, Bytes: r.bytes, Limit: limit, Log: logrus.NewEntry(logger),
		Map:     func() pathmap.View { return pathmap.ViewOf(slices.Values(r.path)) },
		MinFree: func() int64 { r.mu.Lock(); defer r.mu.Unlock(); return r.free },
		Members: func() int { return len(r.kept) },
		Keeps:   func(c cid.Cid) bool { r.mu.Lock(); defer r.mu.Unlock(); return r.kept[c] },
		GiveUp:  r.giveUp,
	})
	t.Cleanup(r.cache.Close)
	for i := range n {
		r.add(i, size)
	}
	return r
}

// giveUp is what package replica does.
func (r *cacheRoom) giveUp(_ context.Context, c cid.Cid, remove func() error) error {
	r.mu.Lock()
	r.asked = append(r.asked, c)
	last := r.last[c]
	r.mu.Unlock()
	if last {
		return errLast
	}
	return remove()
}

// add adds a blob that was last used i minutes after the first of them.
func (r *cacheRoom) add(i, size int) dag.Ref {
	r.t.Helper()
	content := make([]byte, size)
	copy(content, strconv.Itoa(i))
	ref, err := r.blobs.Put(r.t.Context(), content)
	require.NoError(r.t, err)
	r.refs = append(r.refs, ref)
	r.use(ref, i)
	return ref
}

func (r *cacheRoom) use(ref dag.Ref, i int) {
	r.t.Helper()
	at := time.Now().Add(-100*time.Hour + time.Duration(i)*time.Minute)
	require.NoError(r.t, os.Chtimes(filepath.Join(r.dir, "blobs", ref.CID.String()), at, time.Time{}))
}

// here gives the numbers of the blobs that are here.
func (r *cacheRoom) here() (all []int) {
	for i, ref := range r.refs {
		if r.blobs.Has(ref.CID) {
			all = append(all, i)
		}
	}
	return all
}

// turn has the cache look at the disk again, however short a while ago it did.
func (r *cacheRoom) turn() {
	r.cache.took = 0
	r.cache.turn()
}

func (r *cacheRoom) warned() (n int) {
	for _, e := range r.logs.AllEntries() {
		if e.Level == logrus.WarnLevel {
			n++
		}
	}
	return n
}

// TestWhatComesDuringALookIsCache: it is as much cache as what was here before, and goes at the next turn.
func TestWhatComesDuringALookIsCache(t *testing.T) {
	const size = 1000
	r := newCacheRoom(t, t.TempDir(), 3*size, 4, size)
	r.kept[r.refs[0].CID] = true
	keeps := r.cache.cfg.Keeps
	r.cache.cfg.Keeps = func(c cid.Cid) bool {
		if len(r.refs) == 4 {
			r.add(4, size)
		}
		return keeps(c)
	}
	r.turn()
	r.turn()
	require.Equal(t, []int{0, 3, 4}, r.here()) // with the slack, two go
}

// TestTheLeastRecentlyUsedGo, no more of them than has to, and neither what is kept, pinned,
// read, or a manifest.
func TestTheLeastRecentlyUsedGo(t *testing.T) {
	const size = 1000
	r := newCacheRoom(t, t.TempDir(), 6*size+500, 12, size)
	slices.Reverse(r.refs) // the order in which they came says nothing
	for i, ref := range r.refs {
		r.use(ref, i)
	}
	r.turn()
	require.Equal(t, []int{6, 7, 8, 9, 10, 11}, r.here())
	require.Equal(t, Removed{Blobs: 6, Bytes: 6 * size}, r.cache.State().Evicted)
	r.turn()
	require.Len(t, r.here(), 6, "the limit is not passed any more")

	r.cache.cfg.Limit = 2*size + 200
	r.kept[r.refs[6].CID] = true
	defer r.blobs.Pin(r.refs[7].CID)()
	reader, err := r.blobs.Open(r.refs[8].CID)
	require.NoError(t, err)
	r.use(r.refs[8], 8)
	d := digest.FromString("a manifest")
	link, ok := dag.Identity([]byte(d.String()))
	require.True(t, ok)
	manifest := pathmap.Entry{CID: r.refs[9].CID, Size: size, ModTime: time.Unix(0, 0)}
	revision := pathmap.Entry{CID: link, Size: int64(len(d)), ModTime: time.Unix(0, 0)}
	r.path = []pathmap.Version{
		{Path: ocipath.BlobData(ocipath.Root, d), Counter: 1, Writer: "w", Value: manifest.Marshal()},
		{Path: ocipath.RevisionLink(ocipath.Repository("a"), d), Counter: 2, Writer: "w", Value: revision.Marshal()},
	}
	r.turn()
	require.Equal(t, []int{6, 7, 8, 9}, r.here(), "two were to go, and two of the others could")
	require.Empty(t, r.cache.State().Stuck)
	r.cache.cfg.Limit = 0
	r.turn()
	require.Equal(t, []int{6, 7, 8, 9}, r.here())
	require.Contains(t, r.cache.State().Stuck, "2 blobs (2.0 KiB) are in use")
	require.NoError(t, reader.Close())
	r.cache.passed = time.Time{}
	r.turn()
	require.Equal(t, []int{6, 7, 9}, r.here())
}

// TestWhatWasUsedMeanwhileStays, and goes in its turn.
func TestWhatWasUsedMeanwhileStays(t *testing.T) {
	r := newCacheRoom(t, t.TempDir(), 4500, 5, 1000)
	_, err := r.cache.look()
	require.NoError(t, err)
	r.use(r.refs[0], 10)
	r.use(r.refs[1], 11)
	r.turn()
	require.Equal(t, []int{0, 1, 3, 4}, r.here())
	r.cache.cfg.Limit = 1500
	r.turn()
	require.Equal(t, []int{1}, r.here())
}

// TestLastCopiesStay: that they do is said once, and they are asked about again only after a
// while.
func TestLastCopiesStay(t *testing.T) {
	r := newCacheRoom(t, t.TempDir(), 3500, 8, 1000)
	for _, ref := range r.refs[:6] {
		r.last[ref.CID] = true
	}
	for range 3 {
		r.turn()
		require.Equal(t, []int{0, 1, 2, 3, 4, 5}, r.here())
	}
	require.Len(t, r.asked, 8, "once each")
	require.Zero(t, r.warned(), "others may not have been met yet")
	for range 3 {
		r.cache.passed = time.Now().Add(-againMost)
		r.turn()
	}
	require.Equal(t, 1, r.warned())
	s := r.cache.State()
	require.Contains(t, s.Stuck, "of 6 blobs (5.9 KiB) too few others are known to keep copies")
	require.Equal(t, 2, s.Evicted.Blobs)

	r.last = map[cid.Cid]bool{r.refs[0].CID: true}
	r.turn()
	require.Len(t, r.here(), 6, "too soon")
	r.cache.again, r.cache.lasted = againFirst, time.Minute
	require.True(t, r.cache.rests(true))
	r.cache.passed = time.Now().Add(-againAsked)
	require.True(t, r.cache.rests(false), "nobody waits")
	require.False(t, r.cache.rests(true))
	r.cache.passed = time.Now().Add(-againFirst)
	r.turn()
	require.Equal(t, []int{0, 4, 5}, r.here())
	require.Empty(t, r.cache.State().Stuck)
}

// TestAPassGoesOn where the last one ended, and begins anew once: what was passed over may go.
func TestAPassGoesOn(t *testing.T) {
	r := newCacheRoom(t, t.TempDir(), 7900, 8, 1000)
	r.last[r.refs[0].CID] = true
	r.turn()
	require.Equal(t, []int{0, 2, 3, 4, 5, 6, 7}, r.here())
	r.last = map[cid.Cid]bool{}
	r.cache.order = nil // as after a while
	r.cache.cfg.Limit = 6900
	r.turn()
	require.Equal(t, []int{0, 3, 4, 5, 6, 7}, r.here(), "where it ended")
	r.cache.cfg.Limit = 0
	r.turn()
	require.Empty(t, r.here())
	require.Zero(t, r.warned())
}

// TestSurplusIsCache: what this registry kept and does no longer, because the members changed,
// goes like anything else.
func TestSurplusIsCache(t *testing.T) {
	r := newCacheRoom(t, t.TempDir(), 1500, 3, 1000)
	r.kept[r.refs[0].CID], r.kept[r.refs[1].CID] = true, true
	r.turn()
	require.Len(t, r.here(), 3)
	delete(r.kept, r.refs[1].CID)
	r.turn()
	require.Equal(t, []int{0, 2}, r.here())
}

// TestWhatWasKeptIsCountedAnewWhenItIsGone: a cache may have grown in its place.
func TestWhatWasKeptIsCountedAnewWhenItIsGone(t *testing.T) {
	r := newCacheRoom(t, t.TempDir(), 1500, 2, 1000)
	r.kept[r.refs[0].CID], r.kept[r.refs[1].CID] = true, true
	r.turn()
	require.NoError(t, r.blobs.Delete(t.Context(), r.refs[0].CID))
	r.add(2, 1000)
	r.add(3, 1000)
	r.turn()
	require.Equal(t, []int{1, 3}, r.here())
}

// TestARefusedWriteFindsRoom: what is claimed and would not fit has the cache give way, beyond
// what is to stay free, and as much is refused as would be without a cache; but what would be
// refused all the same has nothing go.
func TestARefusedWriteFindsRoom(t *testing.T) {
	const mib = 1 << 20
	dir := smalldisk.Mount(t, t.TempDir(), "size=400m")
	r := newCacheRoom(t, dir, evict.NoLimit, 100, mib)
	disk := r.blobs.Room()
	disk.OnShort(r.cache.MakeRoom)
	r.cache.Start()
	smalldisk.Fill(t, dir, room.Reserve+40*mib)
	disk.Await(t.Context(), 1<<40)
	require.Len(t, r.here(), 100, "the cache went in vain")
	for range 2 {
		_, err := disk.Take(60 * mib)
		require.True(t, room.IsFull(err))
		disk.Await(t.Context(), 60*mib)
		claim, err := disk.Take(60 * mib)
		require.NoError(t, err)
		defer claim.Release()
		drained(t, r, 45)
	}
	disk.Await(t.Context(), 60*mib)
	require.Empty(t, r.here(), "all that there was")
	_, err := disk.Take(60 * mib)
	require.True(t, room.IsFull(err))
	require.Contains(t, r.cache.State().Stuck, "no blob that is here may go")
}

// drained waits until no more than so many blobs are left, and these are the latest.
func drained(t *testing.T, r *cacheRoom, most int) {
	t.Helper()
	require.Eventually(t, func() bool {
		here := r.here()
		return len(here) == 0 || len(here) <= most && here[0] == len(r.refs)-len(here)
	}, patient, time.Millisecond)
}

// TestCopiesLeaveMinFree: copies that nobody waits for take the place of the cache, and stop where
// too little would stay free, though clients may go on.
func TestCopiesLeaveMinFree(t *testing.T) {
	const mib = 1 << 20
	dir := smalldisk.Mount(t, t.TempDir(), "size=300m")
	r := newCacheRoom(t, dir, evict.NoLimit, 20, mib)
	r.cache.Start()
	left, err := r.blobs.Room().Look()
	require.NoError(t, err)
	r.mu.Lock()
	r.free = left.Free - 10*mib
	r.mu.Unlock()
	require.NoError(t, r.cache.RoomForCopy(t.Context(), 5*mib))
	require.Len(t, r.here(), 20)
	require.NoError(t, r.cache.RoomForCopy(t.Context(), 25*mib))
	drained(t, r, 19)
	err = r.cache.RoomForCopy(t.Context(), 60*mib)
	require.True(t, room.IsFull(err))
	require.Empty(t, r.here())
	claim, err := r.blobs.Room().Take(60 * mib)
	require.NoError(t, err, "a client")
	claim.Release()
}

// TestFilesGoForInodes: where files are short, and bytes are not, as many blobs go as there are
// files to make room for.
func TestFilesGoForInodes(t *testing.T) {
	dir := smalldisk.Mount(t, t.TempDir(), "size=300m,nr_inodes=1000")
	r := newCacheRoom(t, dir, evict.NoLimit, 600, 100)
	disk := r.blobs.Room()
	require.NoError(t, disk.Begin())
	for i := range 300 {
		require.NoError(t, os.WriteFile(filepath.Join(dir, strconv.Itoa(i)), nil, 0o600))
	}
	require.Error(t, disk.Begin())
	disk.OnShort(r.cache.MakeRoom)
	r.cache.Start()
	disk.Await(t.Context(), 0)
	require.NoError(t, disk.Begin())
	drained(t, r, 400)
	require.Greater(t, len(r.here()), 100)
}

// TestRemnantsGo, too: nobody is asked about what a transfer left, and it is worth no more than
// any other cache.
func TestRemnantsGo(t *testing.T) {
	dir := smalldisk.Mount(t, t.TempDir(), "size=250m")
	r := newCacheRoom(t, dir, evict.NoLimit, 2, dag.LeafSize)
	sums := dagtest.Sums(uint64(dag.SHA2), dag.LeafSize, make([]byte, 3*dag.LeafSize))
	layout, inner, err := dag.Profile().Build(dag.SHA2, sums, 3*dag.LeafSize)
	require.NoError(t, err)
	p, err := r.blobs.Partial(layout, inner)
	require.NoError(t, err)
	require.NoError(t, p.Put(1, make([]byte, dag.LeafSize)))
	require.NoError(t, r.cache.evict(evict.Amount{Files: 1000}, nil))
	require.Empty(t, r.here())
	_, open := r.blobs.OpenPartial(layout.Root)
	require.True(t, open)
	require.NoError(t, p.Put(0, make([]byte, dag.LeafSize)), "it is being fetched")
	require.NoError(t, p.Close())
	r.asked = nil
	require.NoError(t, r.cache.evict(evict.Amount{Files: 1000}, nil))
	require.Empty(t, r.asked)
	refs, err := r.blobs.Arriving(t.Context())
	require.NoError(t, err)
	require.Empty(t, refs)
	require.EqualValues(t, 4*dag.LeafSize, r.cache.State().Evicted.Bytes)
}
