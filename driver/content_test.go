package driver

import (
	"bytes"
	"crypto/rand"
	"io"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/ocipath"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// TestNothingLargeIsReadWhole: neither a link of 512 MiB nor any other content of distribution's,
// whatever size an entry gives; but all that distribution writes is read, and Reader gives the rest.
func TestNothingLargeIsReadWhole(t *testing.T) {
	d := newOffline(t)
	large := make([]byte, smallBlob+1)
	_, _ = rand.Read(large)
	tag := ocipath.CurrentLink(ocipath.Repository("a"), "1")
	layer := ocipath.LayerLink(ocipath.Repository("a"), digest.FromString("x"))
	path, c := putBlob(t, d, large)
	sized := func(at string, size int64) {
		t.Helper()
		op := pathmap.Op{Path: at, Entry: &pathmap.Entry{CID: c, Size: size}}
		require.NoError(t, d.store.paths.Write(t.Context(), op))
	}
	refused := func(at string) {
		t.Helper()
		content, err := d.GetContent(t.Context(), at)
		require.ErrorContains(t, err, "trustedpeers")
		require.Empty(t, content)
	}
	refused(path)
	body, err := d.Reader(t.Context(), path, 0)
	require.NoError(t, err)
	got, err := io.ReadAll(body)
	require.NoError(t, err)
	require.NoError(t, body.Close())
	require.True(t, bytes.Equal(large, got))

	for _, at := range []string{tag, layer} {
		for _, size := range []int64{maxLinkContent + 1, 512 << 20, 1 << 62} {
			sized(at, size)
			refused(at)
		}
	}
	sized(tag, 100) // which it has not
	content, err := d.GetContent(t.Context(), tag)
	require.True(t, err != nil || len(content) <= maxLinkContent, "%d bytes", len(content))

	for at, size := range map[string]int{tag: maxLinkContent, "/other": smallBlob} {
		require.NoError(t, d.PutContent(t.Context(), at, large[:size]))
		got, err := d.GetContent(t.Context(), at)
		require.NoError(t, err)
		require.Len(t, got, size)
	}
}
