package datastore

import (
	"errors"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAFullDisk needs root, to mount one.
func TestAFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("test", dir, "tmpfs", 0, "size=256m"); err != nil {
		t.Skip("no tmpfs: ", err)
	}
	defer func() { require.NoError(t, syscall.Unmount(dir, 0)) }()
	d, err := Open(dir+"/pebble", quiet())
	require.NoError(t, err)
	require.NoError(t, d.Put(t.Context(), keyOf(1), valueOf(1)))
	room, err := d.Headroom()
	require.NoError(t, err)
	require.Positive(t, room)
	filler, err := os.Create(dir + "/filler")
	require.NoError(t, err)
	fill(t, filler)
	room, err = d.Headroom()
	require.NoError(t, err)
	require.LessOrEqual(t, room, int64(0))
	var down *Unavailable
	require.ErrorAs(t, d.Put(t.Context(), keyOf(2), valueOf(2)), &down)
	require.True(t, down.Full)
	v, err := d.Get(t.Context(), keyOf(1))
	require.NoError(t, err, "reads go on")
	require.Equal(t, valueOf(1), v)
	require.NoError(t, filler.Truncate(0))
	recovered(t, d)
	require.NoError(t, d.Put(t.Context(), keyOf(2), valueOf(2)))
	fill(t, filler)
	require.NoError(t, d.Close())
	d, err = Open(dir+"/pebble", quiet())
	require.NoError(t, err, "it was closed, or its lock would be held, and opened, in place of the reserve")
	v, err = d.Get(t.Context(), keyOf(2))
	require.NoError(t, err)
	require.Equal(t, valueOf(2), v)
	require.NoError(t, errors.Join(filler.Close(), d.Close()))
}

func fill(t *testing.T, f *os.File) {
	t.Helper()
	_, err := f.Seek(0, 2)
	require.NoError(t, err)
	for buf := make([]byte, 4096); err == nil; {
		_, err = f.Write(buf)
	}
	require.ErrorIs(t, err, syscall.ENOSPC)
}
