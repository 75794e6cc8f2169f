package blob

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/smalldisk"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
)

// unused makes a blob one that was last used an hour ago, at a whole second.
func (d *disk) unused(c cid.Cid) time.Time {
	d.t.Helper()
	at := time.Now().Add(-time.Hour).Truncate(time.Second)
	require.NoError(d.t, os.Chtimes(d.store.path(c), at, time.Time{}))
	return at
}

func (d *disk) lastUse(c cid.Cid) time.Time {
	d.t.Helper()
	at, err := d.store.LastUse(c)
	require.NoError(d.t, err)
	return at
}

// TestLastUse: what is read or pushed is used, what is only verified or looked at is not, and a
// restart forgets nothing; on a disk that notes reads by itself, and on one that does not.
func TestLastUse(t *testing.T) {
	for name, flag := range map[string]uintptr{"as it is": 0, "noatime": unix.MS_NOATIME, "strictatime": unix.MS_STRICTATIME} {
		t.Run(name, func(t *testing.T) {
			d := &disk{t: t, dir: t.TempDir()}
			if flag != 0 {
				smalldisk.Mount(t, d.dir, "size=300m")
				require.NoError(t, unix.Mount("", d.dir, "", unix.MS_REMOUNT|flag, ""))
			}
			d.start()
			t.Cleanup(d.stop)
			content := random(1, 2*dag.LeafSize)
			ref := d.adopt(content)
			at := d.unused(ref.CID)
			requireNoUse := func(what string) {
				t.Helper()
				require.Equal(t, at.Unix(), d.lastUse(ref.CID).Unix(), what)
			}
			requireUse := func(what string) {
				t.Helper()
				require.WithinDuration(t, time.Now(), d.lastUse(ref.CID), time.Minute, what)
				at = d.unused(ref.CID)
			}
			require.NoError(t, d.store.CheckLeaf(t.Context(), ref.CID, 1))
			fault, _, err := d.store.Check(t.Context(), ref, func(int64) {})
			require.NoError(t, err)
			require.Equal(t, Sound, fault)
			require.True(t, d.store.Has(ref.CID))
			requireNoUse("verifying it")
			d.requireRead(ref, content)
			requireUse("reading it")
			require.False(t, d.isChecked(ref), "a use makes a file another one")
			requireUse("opening it")
			require.Equal(t, ref, d.adopt(content))
			requireUse("pushing it again")
			small := d.putSmall(content[:100])
			d.unused(small.CID)
			require.Equal(t, small, d.putSmall(content[:100]))
			require.WithinDuration(t, time.Now(), d.lastUse(small.CID), time.Minute, "a manifest that is pushed again")
			at = d.unused(ref.CID)
			d.restart()
			requireNoUse("a restart")
			d.requireRead(ref, content)
			requireUse("reading it while it is verified")
		})
	}
}

func (d *disk) putSmall(content []byte) dag.Ref {
	d.t.Helper()
	ref, err := d.store.Put(d.t.Context(), content)
	require.NoError(d.t, err)
	return ref
}

// TestLastUseIsSeldomWritten: not at each of many reads; and at once when the clock was ahead.
func TestLastUseIsSeldomWritten(t *testing.T) {
	d := newDisk(t)
	content := random(1, 100)
	ref := d.adopt(content)
	for _, c := range []struct {
		at      time.Time
		written bool
	}{
		{time.Now().Add(-usePrecision / 2), false},
		{time.Now().Add(-usePrecision - time.Second), true},
		{time.Now().Add(72 * time.Hour), true},
	} {
		require.NoError(t, os.Chtimes(d.store.path(ref.CID), c.at, time.Time{}))
		d.requireRead(ref, content)
		require.Equal(t, c.written, !d.lastUse(ref.CID).Equal(c.at), "%s", c.at)
	}
	_, err := d.store.LastUse(newArriving(t, 5).layout.Root)
	require.ErrorIs(t, err, ErrNotFound)
}

// TestWhatIsReadIsNotDeleted by DeleteIdle: verified or not, by a client or a member.
func TestWhatIsReadIsNotDeleted(t *testing.T) {
	d := newDisk(t)
	ref := d.adopt(random(1, 2*dag.LeafSize))
	no := func(cid.Cid) bool { return false }
	reader := func() interface{ Close() error } {
		r, err := d.store.Reader(t.Context(), ref, 0)
		require.NoError(t, err)
		return r
	}
	member, err := d.store.Open(ref.CID)
	require.NoError(t, err)
	plain := reader()
	d.store.proofs.forget(ref.CID)
	checked := reader()
	for _, r := range []interface{ Close() error }{member, plain, checked} {
		require.ErrorIs(t, d.store.DeleteIdle(t.Context(), ref.CID, no), ErrUsed)
		require.NoError(t, r.Close())
		_ = r.Close() // a second time
	}
	require.Empty(t, d.store.uses.open)
	require.ErrorIs(t, d.store.DeleteIdle(t.Context(), ref.CID, func(cid.Cid) bool { return true }), ErrUsed)
	require.NoError(t, d.store.DeleteIdle(t.Context(), ref.CID, no))
	require.False(t, d.store.Has(ref.CID))
	_, err = d.store.Open(ref.CID)
	require.ErrorIs(t, err, ErrNotFound)
	require.Empty(t, d.store.uses.open)
}

// TestAll lists whole blobs and what ended transfers left, and neither what is being fetched nor
// what is damaged; what was left can be deleted, and only then.
func TestAll(t *testing.T) {
	d := newDisk(t)
	whole := d.adopt(random(1, 100))
	used := d.unused(whole.CID)
	rotten := d.adopt(random(2, 2*dag.LeafSize))
	damage(t, d.store.path(rotten.CID), 5)
	d.store.proofs.forget(rotten.CID)
	_, err := d.read(rotten, 0)
	require.ErrorIs(t, err, ErrRotten)
	a := newArriving(t, 3*dag.LeafSize)
	p := a.open(t, d)
	a.put(t, p, 0, 1)
	all := func() (held []Held) {
		for h, err := range d.store.All(t.Context()) {
			require.NoError(t, err)
			held = append(held, h)
		}
		return held
	}
	require.Equal(t, []Held{{Ref: whole, Used: time.Unix(used.Unix(), 0)}}, all())
	for _, c := range []cid.Cid{whole.CID, rotten.CID, a.layout.Root} {
		require.ErrorIs(t, d.store.DeleteRemnant(t.Context(), c), ErrUsed)
	}
	require.NoError(t, p.Close())
	held := all()
	require.Len(t, held, 2)
	require.True(t, held[1].Remnant)
	require.Equal(t, a.layout.Root, held[1].CID)
	require.EqualValues(t, 2*dag.LeafSize, held[1].Size, "no more than it takes of the disk")
	require.WithinDuration(t, time.Now(), held[1].Used, time.Minute)
	require.NoError(t, d.store.DeleteRemnant(t.Context(), a.layout.Root))
	require.Len(t, all(), 1)
	require.NoFileExists(t, filepath.Join(d.dir, "staging", a.layout.Root.String()+partialSuffix))
	require.Empty(t, d.keys(partialPrefix+"/"+a.layout.Root.String()))
	d.requireUsage(1, 100)
}

// TestWhatIsWholeAgainIsNotBroken, nor what is named by now.
func TestWhatIsWholeAgainIsNotBroken(t *testing.T) {
	d := newDisk(t)
	ref := d.adopt(random(1, 100))
	no := func(cid.Cid) bool { return false }
	require.ErrorIs(t, d.store.DeleteBroken(t.Context(), ref.CID, no), ErrUsed)
	damage(t, d.store.path(ref.CID), 5)
	d.store.proofs.forget(ref.CID)
	_, err := d.read(ref, 0)
	require.ErrorIs(t, err, ErrRotten)
	require.ErrorIs(t, d.store.DeleteBroken(t.Context(), ref.CID, func(cid.Cid) bool { return true }), ErrUsed)
	require.NoError(t, d.store.DeleteBroken(t.Context(), ref.CID, no))
	require.Empty(t, d.store.Rotten())
}
