package room

import (
	"math"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/smalldisk"
)

// requireShort asks that an error says that room of one kind is short.
func requireShort(t *testing.T, kind Kind, err error) {
	t.Helper()
	var short *Short
	require.ErrorAs(t, err, &short)
	require.Equal(t, kind, short.Of, "%v", err)
}

func TestRoomIsNotClaimedTwice(t *testing.T) {
	disk := On(smalldisk.Mount(t, t.TempDir(), "size=136m"))
	const mib = 1 << 20
	first, err := disk.Take(40 * mib)
	require.NoError(t, err)
	_, err = disk.Take(40 * mib)
	requireShort(t, Bytes, err)
	require.True(t, IsFull(err))
	second, err := disk.Take(30 * mib)
	require.NoError(t, err)
	requireShort(t, Bytes, second.Grow(20*mib))
	require.EqualValues(t, 30*mib, second.Left())

	for _, n := range []int64{math.MaxInt64, math.MaxInt64 - 30*mib} { // a member may say that so much comes
		_, err = disk.Take(n)
		requireShort(t, Bytes, err)
	}

	first.Spend(50 * mib) // more than it has
	require.NoError(t, second.Grow(40*mib))
	second.Release()
	second.Release()
	require.Zero(t, disk.promised)
	first.Release()
	require.Zero(t, disk.promised)
	(*Claim)(nil).Release()
}

func TestTheReserveIsForEnding(t *testing.T) {
	dir := smalldisk.Mount(t, t.TempDir(), "size=200m")
	disk := On(dir)
	require.NoError(t, disk.Begin())
	free := smalldisk.Fill(t, dir, Reserve-1<<20)
	requireShort(t, Bytes, disk.Begin())
	_, err := disk.Take(0)
	requireShort(t, Bytes, err)
	require.NoError(t, disk.End())
	free()
	require.NoError(t, disk.Begin())
	disk.Keep(func() (int64, error) { return -1, nil })
	requireShort(t, Bytes, disk.Begin())
	require.NoError(t, disk.End())
	smalldisk.Fill(t, dir, reserveEnd-1<<20)
	requireShort(t, Bytes, disk.End())
	disk.Keep(func() (int64, error) { return 0, nil })
	require.NoError(t, disk.Begin())
}

func TestInodesAreRoom(t *testing.T) {
	dir := smalldisk.Mount(t, t.TempDir(), "size=200m,nr_inodes=300")
	disk := On(dir)
	require.NoError(t, disk.Begin())
	files := func(n int) {
		for range n {
			f, err := os.CreateTemp(dir, "")
			require.NoError(t, err)
			require.NoError(t, f.Close())
		}
	}
	files(60)
	requireShort(t, Inodes, disk.Begin())
	require.NoError(t, disk.End())
	files(130)
	requireShort(t, Inodes, disk.End())
	require.True(t, IsFull(disk.End()))
}

func TestDescriptorsAreRoom(t *testing.T) {
	disk := On(t.TempDir())
	require.NoError(t, disk.Begin())
	var old unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &old))
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: min(512, old.Max), Max: old.Max}))
	defer func() { require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &old)) }()
	require.NoError(t, disk.Begin())
	var fds []int
	defer func() {
		for _, fd := range fds {
			_ = unix.Close(fd)
		}
	}()
	take := func(n int) {
		for range n {
			fd, err := unix.Open("/", unix.O_RDONLY|unix.O_CLOEXEC, 0)
			if err != nil {
				return
			}
			fds = append(fds, fd)
		}
	}
	for len(fds) == 0 || fds[len(fds)-1] < 512-descriptors {
		take(1)
	}
	requireShort(t, Descriptors, disk.Begin())
	require.NoError(t, disk.End())
	take(512)
	requireShort(t, Descriptors, disk.End())
	require.True(t, IsCrowded(disk.End()))
}
