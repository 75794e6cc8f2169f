package sweep

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/ocipath"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// TestWhatIsWrittenAnewStays from before it is found that its bytes are here until its entry is
// written: the cache gives up what has no entry, too, and to members that may then remove it.
func TestWhatIsWrittenAnewStays(t *testing.T) {
	r := newCacheRoom(t, t.TempDir(), 0, 1, 1000)
	c := r.refs[0].CID
	bytes, err := os.ReadFile(filepath.Join(r.dir, "blobs", c.String()))
	require.NoError(t, err)
	layer := digest.FromBytes(bytes)
	content := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","layers":[{"digest":%q,"size":1000}]}`, layer)
	image := digest.FromBytes(content)
	link, ok := dag.Identity([]byte(image.String()))
	require.True(t, ok)
	entry := pathmap.Entry{CID: link, Size: int64(len(image)), ModTime: time.Unix(0, 0)}
	view := pathmap.ViewOf(slices.Values([]pathmap.Version{
		{Path: ocipath.BlobData(ocipath.Root, image), Counter: 5, Writer: "w", Value: entry.Marshal()},
		{Path: ocipath.RevisionLink(ocipath.Repository("a"), image), Counter: 6, Writer: "w", Value: entry.Marshal()},
	}))
	collector := &Collector{cfg: Config{
		Bytes: r.bytes,
		Read:  func(context.Context, pathmap.Entry) ([]byte, error) { return content, nil },
	}}
	ops, unpin, err := collector.anew(t.Context(), view, map[string]uint64{"w": 4})
	require.NoError(t, err)
	var paths []string
	for _, op := range ops {
		paths = append(paths, op.Path)
	}
	require.ElementsMatch(t, []string{ocipath.BlobData(ocipath.Root, layer), ocipath.LayerLink(ocipath.Repository("a"), layer)}, paths)

	giveUp := func() error {
		return r.bytes.GiveUp(t.Context(), c, func(remove func() error) error { return remove() })
	}
	require.ErrorIs(t, giveUp(), blob.ErrPinned)
	unpin()
	require.NoError(t, giveUp())
}

// TestNothingIsWrittenAnewOfBytesThatHaveGone since it was found that they are here: neither their
// entry nor a link to them.
func TestNothingIsWrittenAnewOfBytesThatHaveGone(t *testing.T) {
	r := newCacheRoom(t, t.TempDir(), 0, 2, 1000)
	var contents [][]byte
	var versions []pathmap.Version
	for i, ref := range r.refs {
		bytes, err := os.ReadFile(filepath.Join(r.dir, "blobs", ref.CID.String()))
		require.NoError(t, err)
		content := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","layers":[{"digest":%q,"size":1000}]}`, digest.FromBytes(bytes))
		image := digest.FromBytes(content)
		link, ok := dag.Identity([]byte(image.String()))
		require.True(t, ok)
		entry := pathmap.Entry{CID: link, Size: int64(len(image)), ModTime: time.Unix(0, 0)}
		contents = append(contents, content)
		versions = append(versions,
			pathmap.Version{Path: ocipath.BlobData(ocipath.Root, image), Counter: 5, Writer: "w", Value: entry.Marshal()},
			pathmap.Version{Path: ocipath.RevisionLink(ocipath.Repository(fmt.Sprint("r", i)), image), Counter: 6, Writer: "w", Value: entry.Marshal()})
	}
	slices.SortFunc(versions, func(a, b pathmap.Version) int { return strings.Compare(a.Path, b.Path) })
	read := 0
	collector := &Collector{cfg: Config{
		Bytes: r.bytes,
		Read: func(ctx context.Context, _ pathmap.Entry) ([]byte, error) {
			if read++; read == 2 { // the digests of all that nothing names are known by now
				require.NoError(t, r.bytes.GiveUp(ctx, r.refs[1].CID, func(remove func() error) error { return remove() }))
			}
			return contents[read-1], nil
		},
	}}
	ops, unpin, err := collector.anew(t.Context(), pathmap.ViewOf(slices.Values(versions)), map[string]uint64{"w": 4})
	require.NoError(t, err)
	defer unpin()
	require.Equal(t, 2, read)
	require.Len(t, ops, 2, "the entry and the link of the blob that is here: %v", ops)
}
