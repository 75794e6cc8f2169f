package transfer

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/smalldisk"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/room"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/story"
)

// onSmallDisk puts a registry's data on a disk that has room for that many bytes.
func onSmallDisk(size int64) func(*registry) {
	return func(r *registry) {
		smalldisk.Mount(r.t, r.dir, "size=400m")
		smalldisk.Fill(r.t, r.dir, room.Reserve+size)
	}
}

// stagedFiles lists the files of blobs that are on their way here.
func (r *registry) stagedFiles() []os.DirEntry {
	r.t.Helper()
	files, err := os.ReadDir(filepath.Join(r.dir, "staging"))
	require.NoError(r.t, err)
	return files
}

// requireNothingKept requires that a registry has nothing of a blob, neither the whole nor a part.
func (r *registry) requireNothingKept() {
	r.t.Helper()
	blobs, _ := r.blobs.Usage()
	require.Zero(r.t, blobs)
	require.Empty(r.t, r.stagedFiles())
}

// TestStreamsWhatDoesNotFit shows that a blob that does not fit is streamed, whole and from any
// offset, to several readers at once.
func TestStreamsWhatDoesNotFit(t *testing.T) {
	var town town
	a, b := town.registry(t), town.registry(t, onSmallDisk(6*mib))
	content := random(61, 21*mib+17)
	ref := a.push(content)
	b.requirePull(ref, content)
	require.ErrorIs(t, b.transfers.Fetch(t.Context(), ref), unix.ENOSPC)
	var wg sync.WaitGroup
	for _, at := range []int{1, 5*mib + 3, 21*mib - 1, 21 * mib, len(content) - 1} {
		wg.Go(func() {
			if got, err := b.pull(ref, int64(at)); err != nil || !bytes.Equal(content[at:], got) {
				t.Errorf("%d bytes from %d: %v", len(got), at, err)
			}
		})
	}
	wg.Wait()
	b.requireNothingKept()
	eventually(t, func() bool { return b.transfers.Ended()[story.Streamed] == 6 }, "their ends are not counted")
	small := random(62, 3*mib)
	b.requirePull(a.push(small), small)
}

// TestAStreamIsVerified shows that a stream is verified leaf by leaf, and goes on with another
// holder after a wrong leaf.
func TestAStreamIsVerified(t *testing.T) {
	var town town
	a, b := town.registry(t), town.registry(t, onSmallDisk(6*mib))
	content := random(63, 9*mib)
	ref := a.push(content)
	a.damage(ref, 5)
	body := b.open(ref, 0)
	readExactly(t, body, content[:5*mib])
	_, err := io.ReadAll(body)
	requireUnavailable(t, err)
	c := town.registry(t)
	c.push(content)
	b.requirePull(ref, content)
	b.requireNothingKept()
}

// TestAStreamWaitsForItsReader shows that a stream waits for its reader, with a window of leaves in
// memory.
func TestAStreamWaitsForItsReader(t *testing.T) {
	var town town
	a, b := town.registry(t), town.registry(t, onSmallDisk(6*mib))
	content := random(64, 40*mib)
	ref := a.push(content)
	body := b.open(ref, 0)
	readExactly(t, body, content[:mib/2])
	s := body.(*stream)
	const window = 2 // besides the leaf that is being read and one that waits for room
	eventually(t, func() bool { return len(s.job.Leaves()) == window && b.received() >= (window+2)*mib }, "the window does not fill")
	require.Less(t, b.received(), int64((window+3)*mib), "it does not wait")
	readExactly(t, body, content[mib/2:])
	_, err := body.Read(make([]byte, 1))
	require.Equal(t, io.EOF, err)
	require.NoError(t, body.Close())
	require.Zero(t, b.transfers.Active())

	body = b.open(ref, 0)
	require.NoError(t, body.Close())
	require.Zero(t, b.transfers.Active())
}

// TestRunningStreams shows that streams are listed like other transfers, each by itself. Here they
// wait for their readers.
func TestRunningStreams(t *testing.T) {
	var town town
	a, b := town.registry(t), town.registry(t, onSmallDisk(6*mib))
	content := random(66, 9*mib)
	ref := a.push(content)
	first, second := b.open(ref, 0), b.open(ref, 3*mib)
	eventually(t, func() bool {
		all := b.transfers.Running()
		return len(all) == 2 && !slices.ContainsFunc(all, func(r Running) bool {
			return len(r.Sources) != 1 || r.Sources[0].Peer != a.id || r.Sources[0].Road != story.RoadStream || r.Here < mib
		})
	}, "it does not say where the bytes come from")
	require.Equal(t, 2, b.transfers.Active())
	for _, r := range b.transfers.Running() {
		require.Equal(t, ref, dag.Ref{CID: r.CID, Size: r.Size})
		require.True(t, r.Streamed)
		require.Equal(t, 1, r.Waiting)
		require.Less(t, r.Here, ref.Size)
	}
	readExactly(t, first, content)
	require.NoError(t, first.Close())
	require.NoError(t, second.Close())
	require.Empty(t, b.transfers.Running())
}

// TestATransferThatFillsTheDisk shows that it goes on as a stream, and gives the room back.
func TestATransferThatFillsTheDisk(t *testing.T) {
	var town town
	a, b := town.registry(t), town.registry(t, onSmallDisk(60*mib))
	content := random(65, 50*mib)
	ref := a.push(content)
	open := a.holdBack(4 * mib)
	body := b.open(ref, 0)
	readExactly(t, body, content[:mib])
	free := smalldisk.Fill(t, b.dir, 0) // somebody else
	open()
	rest, err := io.ReadAll(body)
	require.NoError(t, err)
	require.True(t, bytes.Equal(content[mib:], rest))
	require.NoError(t, body.Close())
	eventually(t, func() bool { return len(b.stagedFiles()) == 0 }, "what came is not removed")
	free()
	b.requirePull(ref, content)
	b.fetch(ref)
}

// TestABlobOfOneLeafThatCannotBeKept shows that such a blob goes to its readers, and that others
// that wait for it get an error.
func TestABlobOfOneLeafThatCannotBeKept(t *testing.T) {
	var town town
	a, b := town.registry(t), town.registry(t, onSmallDisk(60*mib))
	content := random(69, mib)
	ref := a.push(content)
	open := a.holdBack(64 << 10)
	fetched := make(chan error, 1)
	go func() { fetched <- b.transfers.Fetch(context.Background(), ref) }()
	eventually(t, func() bool { return b.received() > 0 }, "it does not begin")
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			if got, err := b.pull(ref, 7); err != nil || !bytes.Equal(content[7:], got) {
				t.Errorf("%d bytes: %v", len(got), err)
			}
		})
	}
	eventually(t, func() bool { return b.transfers.underway.job(ref.CID).Users() == 4 }, "they do not wait for it")
	free := smalldisk.Fill(t, b.dir, 0) // somebody else
	open()
	readers.Wait()
	err := <-fetched
	require.ErrorIs(t, err, ErrNotKept)
	var short *room.Short
	require.ErrorAs(t, err, &short)
	eventually(t, func() bool { return b.transfers.Active() == 0 }, "it never ends")
	b.requireNothingKept()
	free()
	b.fetch(ref)
}
