package blob

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
)

// elsewhere writes a file that is none of the store's, and opens it for reading.
func elsewhere(t *testing.T, content []byte) *os.File {
	t.Helper()
	file := filepath.Join(t.TempDir(), "data")
	require.NoError(t, os.WriteFile(file, content, 0o644))
	f, err := os.Open(file)
	require.NoError(t, err)
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// TestPushFile makes blobs of files elsewhere, which stay.
func TestPushFile(t *testing.T) {
	for name, c := range map[string]struct {
		size  int
		links bool
		ways  []Way
	}{
		"nothing":            {0, true, []Way{Cloned, Copied}},
		"small":              {SmallSize, true, []Way{Cloned, Copied}},
		"may be written":     {MinLinked - 1, true, []Way{Cloned, Copied}},
		"large":              {MinLinked, true, []Way{Cloned, Linked}},
		"large, not to link": {MinLinked + 1, false, []Way{Cloned, Copied}},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDisk(t)
			content := random(1, c.size)
			f := elsewhere(t, content)
			var read atomic.Int64
			p, way, err := d.store.PushFile(t.Context(), f, digest.FromBytes(content), 0, c.links, func(n int64) { read.Add(n) })
			require.NoError(t, err)
			require.EqualValues(t, c.size, read.Load(), "once")
			require.Contains(t, c.ways, way)
			ref, unpin, err := d.entered(p, nil)
			require.NoError(t, err)
			unpin()
			require.True(t, d.store.Verified(ref))
			d.requireContent(ref, content)
			require.Empty(t, d.stagedFiles())
			still, err := os.ReadFile(f.Name())
			require.NoError(t, err)
			require.Equal(t, content, still)
			require.NoError(t, d.store.Delete(t.Context(), ref.CID))
			require.FileExists(t, f.Name())
			d.requireUsage(0, 0)
		})
	}
}

// TestPushFileTwice takes a file that has become a blob by a second name already.
func TestPushFileTwice(t *testing.T) {
	d := newDisk(t)
	content := random(1, MinLinked)
	f := elsewhere(t, content)
	var ref dag.Ref
	for range 2 {
		p, _, err := d.store.PushFile(t.Context(), f, digest.FromBytes(content), 0, true, nil)
		require.NoError(t, err)
		p.Done()
		ref = p.Ref
	}
	d.requireContent(ref, content)
	d.requireUsage(1, ref.Size)
	require.Empty(t, d.stagedFiles())
}

// TestPushFileOfOtherBytes leaves nothing.
func TestPushFileOfOtherBytes(t *testing.T) {
	for name, links := range map[string]bool{"linked": true, "copied": false} {
		t.Run(name, func(t *testing.T) {
			d := newDisk(t)
			f := elsewhere(t, random(1, MinLinked))
			_, _, err := d.store.PushFile(t.Context(), f, digest.FromString("other"), 0, links, nil)
			require.ErrorIs(t, err, ErrDigestMismatch)
			require.Empty(t, d.stagedFiles())
			d.requireUsage(0, 0)
			require.FileExists(t, f.Name())
		})
	}
}

// TestPushFileOfAnother user's file, or of one that nobody may write, copies it: a blob is opened to
// be written, and its access time is set.
func TestPushFileOfAnother(t *testing.T) {
	d := newDisk(t)
	content := random(1, MinLinked)
	f := elsewhere(t, content)
	require.NoError(t, os.Chmod(f.Name(), 0o444))
	p, way, err := d.store.PushFile(t.Context(), f, digest.FromBytes(content), 0, true, nil)
	require.NoError(t, err)
	p.Done()
	require.NotEqual(t, Linked, way)
	d.requireContent(p.Ref, content)
}

// TestPushStream takes bytes that come from elsewhere, if all come; what it takes is read once.
func TestPushStream(t *testing.T) {
	for _, size := range []int{0, 1, SmallSize, MinLinked} {
		d := newDisk(t)
		content := random(1, size)
		p, err := d.store.PushStream(t.Context(), bytes.NewReader(append(content, 'x')), int64(size), digest.FromBytes(content), 0)
		require.NoError(t, err)
		ref, unpin, err := d.entered(p, nil)
		require.NoError(t, err)
		unpin()
		d.requireContent(ref, content)
		_, err = d.store.PushStream(t.Context(), bytes.NewReader(content), int64(size)+1, "", 0)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		_, err = d.store.PushStream(t.Context(), bytes.NewReader(content), int64(size), digest.FromString("other"), 0)
		require.ErrorIs(t, err, ErrDigestMismatch)
		require.Empty(t, d.stagedFiles())
	}
	d := newDisk(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := d.store.PushStream(ctx, bytes.NewReader([]byte("a")), 1, "", 0)
	require.ErrorIs(t, err, context.Canceled)
	require.Empty(t, d.stagedFiles())
}

// TestPushFileEnds with its context, and leaves nothing.
func TestPushFileEnds(t *testing.T) {
	d := newDisk(t)
	content := random(1, MinLinked)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := d.store.PushFile(ctx, elsewhere(t, content), digest.FromBytes(content), 0, false, nil)
	require.ErrorIs(t, err, context.Canceled)
	require.Empty(t, d.stagedFiles())
}

// TestPushFileOfADirectory takes plain files alone.
func TestPushFileOfADirectory(t *testing.T) {
	d := newDisk(t)
	dir, err := os.Open(t.TempDir())
	require.NoError(t, err)
	defer dir.Close()
	_, _, err = d.store.PushFile(t.Context(), dir, digest.FromString(""), 0, true, nil)
	require.ErrorContains(t, err, "plain file")
}
