package driver

import (
	"bytes"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	ds "github.com/ipfs/go-datastore"
	"github.com/opencontainers/go-digest"
	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/lease"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/ocipath"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/sweep"
)

// putBlob stores content as a blob with an entry, and gives its path and CID.
func putBlob(t *testing.T, d *Driver, content []byte) (path string, c cid.Cid) {
	t.Helper()
	path = ocipath.BlobData(ocipath.Root, digest.FromBytes(content))
	require.NoError(t, d.PutContent(t.Context(), path, content))
	e, err := d.store.paths.View().Get(path)
	require.NoError(t, err)
	return path, e.CID
}

// sweepBytes sweeps at a moment, and removes what has had no name since an hour before.
func sweepBytes(t *testing.T, d *Driver, b *sweep.Bytes, now lease.Moment) sweep.Removed {
	t.Helper()
	r, err := b.Sweep(t.Context(), d.store.paths.View, now, func(last lease.Moment) bool { return now.Sub(last) >= time.Hour })
	require.NoError(t, err)
	return r
}

func at(d time.Duration) lease.Moment { return lease.Moment(0).Add(d) }

// TestBytesWithoutANameAreSwept an hour after nothing named them or asked for them.
func TestBytesWithoutANameAreSwept(t *testing.T) {
	d := newOffline(t)
	b := d.store.engine.Bytes
	named, kept := putBlob(t, d, bytes.Repeat([]byte("n"), 3<<20))
	path, c := putBlob(t, d, bytes.Repeat([]byte("a"), 3<<20))
	asked, ca := putBlob(t, d, []byte("asked for"))
	require.Zero(t, sweepBytes(t, d, b, at(0)))
	require.NoError(t, d.Delete(t.Context(), path))
	require.NoError(t, d.Delete(t.Context(), asked))
	require.Zero(t, sweepBytes(t, d, b, at(time.Hour)), "nothing named them only just now")
	require.Zero(t, sweepBytes(t, d, b, at(time.Hour+59*time.Minute)))
	b.Asked(ca)
	require.Equal(t, sweep.Removed{Blobs: 1, Bytes: 3 << 20}, sweepBytes(t, d, b, at(2*time.Hour)))
	require.False(t, d.store.blobs.Has(c))
	require.True(t, d.store.blobs.Has(ca))
	require.Equal(t, 1, sweepBytes(t, d, b, at(3*time.Hour)).Blobs)
	require.Zero(t, b.Unnamed())
	require.True(t, d.store.blobs.Has(kept))
	_, err := d.GetContent(t.Context(), named)
	require.NoError(t, err)
}

// TestBytesThatAreAskedForAfterAHearing stay until the next one: who asks may rely on them, and
// say so in an answer that was not among those heard.
func TestBytesThatAreAskedForAfterAHearing(t *testing.T) {
	d := newOffline(t)
	b := d.store.engine.Bytes
	path, c := putBlob(t, d, []byte("asked for"))
	require.NoError(t, d.Delete(t.Context(), path))
	var heard lease.Moment
	sweepAt := func(now lease.Moment) int {
		r, err := b.Sweep(t.Context(), d.store.paths.View, now, func(last lease.Moment) bool { return last < heard })
		require.NoError(t, err)
		return r.Blobs
	}
	require.Zero(t, sweepAt(at(time.Hour)))
	heard = at(2 * time.Hour)
	b.Asked(c)
	require.Zero(t, sweepAt(at(3*time.Hour)))
	require.True(t, d.store.blobs.Has(c))
	heard = at(4 * time.Hour)
	require.Equal(t, 1, sweepAt(at(5*time.Hour)))
}

// TestBytesThatGetANameStay, also while a sweep looks through the map, and right before it
// removes them.
func TestBytesThatGetANameStay(t *testing.T) {
	d := newOffline(t)
	b := d.store.engine.Bytes
	content := bytes.Repeat([]byte("a"), 3<<20)
	path, c := putBlob(t, d, content)
	push := func() { require.NoError(t, d.PutContent(t.Context(), path, content)) }
	nothing := func() {}
	for name, during := range map[string]struct{ first, look, removal func() }{
		"between two sweeps":    {first: push, look: nothing, removal: nothing},
		"while the map is read": {first: nothing, look: push, removal: nothing},
		"before the removal":    {first: nothing, look: nothing, removal: push},
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, d.Delete(t.Context(), path))
			sweepBytes(t, d, b, at(0))
			require.Equal(t, 1, b.Unnamed())
			during.first()
			view := func() pathmap.View {
				v := d.store.paths.View()
				during.look()
				return v
			}
			r, err := b.Sweep(t.Context(), view, at(time.Hour), func(lease.Moment) bool { during.removal(); return true })
			require.NoError(t, err)
			require.Zero(t, r)
			require.True(t, d.store.blobs.Has(c))
			require.Zero(t, b.Unnamed())
		})
	}
}

// TestPinnedBytesStay: a push that has adopted them writes their entry soon.
func TestPinnedBytesStay(t *testing.T) {
	d := newOffline(t)
	b := d.store.engine.Bytes
	path, c := putBlob(t, d, []byte("a"))
	require.NoError(t, d.Delete(t.Context(), path))
	sweepBytes(t, d, b, at(0))
	unpin := d.store.blobs.Pin(c)
	require.Zero(t, sweepBytes(t, d, b, at(time.Hour)))
	unpin()
	require.Equal(t, sweep.Removed{Blobs: 1, Bytes: 1}, sweepBytes(t, d, b, at(time.Hour)))
}

// TestWhatALaterReleaseNamesIsNotKnown, so nothing is swept.
func TestWhatALaterReleaseNamesIsNotKnown(t *testing.T) {
	p := DefaultParameters()
	p.Offline, p.DatastorePath, p.LogLevel = true, t.TempDir(), "error"
	d, err := New(t.Context(), p)
	require.NoError(t, err)
	path, c := putBlob(t, d, []byte("a"))
	require.NoError(t, d.Delete(t.Context(), path))
	require.NoError(t, d.store.engine.Store.Put(t.Context(), ds.NewKey("/paths/crdt/s/k/f/x:0000000000000009-later/v"), []byte{2, 'n'}))
	require.NoError(t, d.Close())
	d, err = New(t.Context(), p)
	require.NoError(t, err)
	t.Cleanup(func() { _ = d.Close() })
	for range 2 {
		_, err = d.store.engine.Bytes.Sweep(t.Context(), d.store.paths.View, at(0), func(lease.Moment) bool { return true })
		require.ErrorIs(t, err, pathmap.ErrNewerEntry)
	}
	require.True(t, d.store.blobs.Has(c))
}
