package blob

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/smalldisk"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/room"
)

// newSmallDisk is a data directory whose uploads and blobs lie on a disk of that size,
// in bytes, beside the reserve.
func newSmallDisk(t *testing.T, size int64) *disk {
	t.Helper()
	d := &disk{t: t, dir: t.TempDir()}
	smalldisk.Mount(t, d.dir, "size=400m")
	d.start()
	t.Cleanup(d.stop)
	smalldisk.Fill(t, d.dir, room.Reserve+size)
	return d
}

// TestAnUploadThatDoesNotFit takes nothing when it says how large it is, else up to
// the reserve. What came before stays, and is gone on with.
func TestAnUploadThatDoesNotFit(t *testing.T) {
	d := newSmallDisk(t, 8*dag.LeafSize)
	file := filepath.Join(d.dir, "staging", "u")
	content := random(1, 6*dag.LeafSize+7)
	half := 3*dag.LeafSize + 7
	open := func() *Upload {
		u, err := d.store.Upload(file, true)
		require.NoError(t, err)
		return u
	}
	mustWrite(t, open(), content[:half], true)

	u := open()
	require.ErrorIs(t, u.Expect(40*dag.LeafSize), unix.ENOSPC)
	require.NoError(t, u.Close())
	u = open()
	var err error
	for range 40 * 8 {
		if _, err = u.Write(random(2, dag.LeafSize/8)); err != nil {
			break
		}
	}
	require.ErrorIs(t, err, unix.ENOSPC)
	require.EqualValues(t, half, u.Size())
	require.ErrorIs(t, u.Cancel(), unix.ENOSPC, "what was acknowledged is not canceled")
	require.Error(t, u.Close())
	require.FileExists(t, UploadNote(file), "what was known of it is known")

	mustWrite(t, open(), content[half:], true)
	ref, unpin, err := d.pushUpload(context.Background(), file, digest.FromBytes(content), seen(content), 0)
	require.NoError(t, err)
	unpin()
	d.requireContent(ref, content)
	d.requireNothingPromised()
}

// requireNothingPromised asks that no claim of room was left behind.
func (d *disk) requireNothingPromised() {
	d.t.Helper()
	var fs unix.Statfs_t
	require.NoError(d.t, unix.Statfs(d.dir, &fs))
	claim, err := d.store.room.Take(int64(fs.Bavail)*int64(fs.Bsize) - room.Reserve)
	require.NoError(d.t, err)
	claim.Release()
}

// TestUploadsDoNotClaimTheSameRoom, nor do blobs on their way here.
func TestUploadsDoNotClaimTheSameRoom(t *testing.T) {
	d := newSmallDisk(t, 8*dag.LeafSize)
	first, err := d.store.Upload(filepath.Join(d.dir, "staging", "a"), true)
	require.NoError(t, err)
	require.NoError(t, first.Expect(6*dag.LeafSize))
	second, err := d.store.Upload(filepath.Join(d.dir, "staging", "b"), true)
	require.NoError(t, err)
	require.ErrorIs(t, second.Expect(6*dag.LeafSize), unix.ENOSPC)
	a := newArriving(t, 6*dag.LeafSize)
	_, err = d.store.Partial(a.layout, a.inner)
	require.ErrorIs(t, err, unix.ENOSPC)
	require.Empty(t, d.keys(partialPrefix))

	require.NoError(t, first.Close())
	p := a.open(t, d)
	require.ErrorIs(t, second.Expect(6*dag.LeafSize), unix.ENOSPC)
	for i := range a.layout.Leaves() {
		a.put(t, p, i)
	}
	require.NoError(t, p.Finish(t.Context()))
	require.NoError(t, p.Close())
	require.NoError(t, second.Close())
	d.requireNothingPromised()
}

// TestAnUploadWhoseMoveFailed is as it was before its last request, whether its bytes
// had become a blob or not, and can be moved again.
func TestAnUploadWhoseMoveFailed(t *testing.T) {
	d := newDisk(t)
	file := filepath.Join(d.dir, "staging", "u")
	content := random(1, 2*dag.LeafSize+7)
	open := func() *Upload {
		u, err := d.store.Upload(file, true)
		require.NoError(t, err)
		return u
	}
	mustWrite(t, open(), content[:dag.LeafSize], true)
	u := open()
	mustWrite(t, u, content[dag.LeafSize:], true)
	require.NoError(t, u.Revert())
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.EqualValues(t, dag.LeafSize, info.Size())

	mustWrite(t, open(), content[dag.LeafSize:], true)
	ref, unpin, err := d.pushUpload(t.Context(), file, digest.FromBytes(content), seen(content), 0)
	require.NoError(t, err)
	unpin()
	require.NoError(t, d.store.giveBack(ref, file))
	late := open()
	require.EqualValues(t, len(content), late.Size())
	_, err = late.Write([]byte("into the blob"))
	require.ErrorIs(t, err, ErrUploadOver)
	_, err = d.store.Upload(file, false)
	require.ErrorIs(t, err, ErrUploadOver, "cut to nothing")
	require.ErrorIs(t, late.Revert(), ErrUploadOver)
	again, unpin, err := d.pushUpload(t.Context(), file, digest.FromBytes(content), Seen{}, 0)
	require.NoError(t, err)
	unpin()
	require.Equal(t, ref, again)
	require.NoFileExists(t, file)
	d.requireContent(ref, content)
	d.requireUsage(1, int64(len(content)))
}

// TestAnUploadThatIsTakenOverOnAFullDisk fails for whoever takes it over, and for its own
// request, which must not be told that the bytes are here. What came before stays.
func TestAnUploadThatIsTakenOverOnAFullDisk(t *testing.T) {
	d := newSmallDisk(t, 8*dag.LeafSize)
	file := filepath.Join(d.dir, "staging", "u")
	content := random(1, dag.LeafSize+100)
	open := func() *Upload {
		u, err := d.store.Upload(file, true)
		require.NoError(t, err)
		return u
	}
	mustWrite(t, open(), content[:dag.LeafSize], true)
	for name, takeOver := range map[string]func() error{
		"an upload": func() error {
			_, err := open().Write([]byte("x"))
			return err
		},
		"a blob": func() error {
			_, _, err := d.pushUpload(t.Context(), file, digest.FromBytes(content), Seen{}, 0)
			return err
		},
		"the sweeper": func() error {
			_, done := d.store.seize(file)
			done()
			return unix.ENOSPC // it is only logged
		},
		"a stop": func() error { return d.store.uploads.close() },
	} {
		before := open()
		mustWrite(t, before, content[dag.LeafSize:], false)
		free := smalldisk.Fill(t, d.dir, 0)
		require.ErrorIs(t, takeOver(), unix.ENOSPC, name)
		for range 2 {
			require.ErrorIs(t, before.Close(), unix.ENOSPC, name)
		}
		free()
		info, err := os.Stat(file)
		require.NoError(t, err)
		require.EqualValues(t, dag.LeafSize, info.Size(), name)
		d.store.uploads.closed = false
	}
	mustWrite(t, open(), content[dag.LeafSize:], true)
	ref, err := d.adoptUpload(t.Context(), file, digest.FromBytes(content), Seen{}, 0)
	require.NoError(t, err)
	d.requireContent(ref, content)
}
