package blob

import (
	"context"
	"encoding/json"
	"flag"
	"io"
	"os"
	"path/filepath"
	"testing"

	ipld "github.com/ipfs/go-ipld-format"
	"github.com/opencontainers/go-digest"
	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag/dagtest"
)

var update = flag.Bool("update", false, "write testdata/cids*.json anew, from boxo's layout")

// goldenFiles has one file for each function; testdata/kubo/run.sh reads them, too.
var goldenFiles = map[dag.Function]string{
	dag.SHA2:   "../../../testdata/cids.json",
	dag.BLAKE3: "../../../testdata/cids-blake3.json",
}

type goldens struct {
	Profile string       `json:"profile"`
	Command string       `json:"command"`
	Content string       `json:"content"`
	Blobs   []goldenBlob `json:"blobs"`
}

type goldenBlob struct {
	Size   int64  `json:"size"`
	Leaves int    `json:"leaves"`
	SHA256 string `json:"sha256"`
	CID    string `json:"cid"`
}

func goldenSizes() []int64 {
	return []int64{0, 1, 71, 1 << 20, 1<<20 + 1, 3 << 20, 1025 << 20}
}

// pattern is the known bytes: byte k is k mod 251.
type pattern struct{ size int64 }

const period = 251

func (p pattern) ReadAt(b []byte, off int64) (int, error) {
	n := int(max(0, min(int64(len(b)), p.size-off)))
	for k := range min(n, period) {
		b[k] = byte((off + int64(k)) % period)
	}
	for done := period; done < n; done *= 2 {
		copy(b[done:n], b[:done])
	}
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (p pattern) reader() io.Reader { return io.NewSectionReader(p, 0, p.size) }

func readGoldens(t *testing.T, f dag.Function) goldens {
	t.Helper()
	if *update {
		writeGoldens(t, f)
	}
	data, err := os.ReadFile(filepath.FromSlash(goldenFiles[f]))
	require.NoError(t, err)
	var g goldens
	require.NoError(t, json.Unmarshal(data, &g))
	require.Len(t, g.Blobs, len(goldenSizes()))
	return g
}

func writeGoldens(t *testing.T, f dag.Function) {
	t.Helper()
	g := goldens{
		Profile: "unixfs-v1-2025",
		Command: "ipfs add --cid-version=1 --raw-leaves --chunker=size-1048576 --max-file-links=1024",
		Content: "byte k of a blob is k mod 251",
	}
	if f != dag.SHA2 {
		g.Profile += ", but for the hash function"
		g.Command += " --hash=" + f.String()
	}
	for _, size := range goldenSizes() {
		sum, err := digest.FromReader(pattern{size}.reader())
		require.NoError(t, err)
		root := dagtest.RootIn(t, uint64(f), dagtest.Profile(), pattern{size}.reader(), forgetful{})
		g.Blobs = append(g.Blobs, goldenBlob{size, dag.Profile().Leaves(size), sum.Encoded(), root.String()})
	}
	data, err := json.MarshalIndent(g, "", "  ")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.FromSlash(goldenFiles[f]), append(data, '\n'), 0o644))
}

// forgetful takes blocks and keeps none: a gigabyte need not be in memory.
type forgetful struct{ ipld.DAGService }

func (forgetful) Add(context.Context, ipld.Node) error { return nil }

// TestGoldens pins the CIDs of known bytes: they must never change.
func TestGoldens(t *testing.T) {
	for _, f := range dag.Functions() {
		for i, g := range readGoldens(t, f).Blobs {
			require.Equal(t, goldenSizes()[i], g.Size)
			require.Equal(t, dag.Profile().Leaves(g.Size), g.Leaves)
			l, _, err := dag.Profile().Build(f, patternSums(f, g.Size), g.Size)
			require.NoError(t, err)
			require.Equal(t, g.CID, l.Root.String(), "%s, size %d", f, g.Size)
			if g.Size > 4<<20 {
				continue
			}
			boxo := dagtest.RootIn(t, uint64(f), dagtest.Profile(), pattern{g.Size}.reader(), forgetful{})
			require.Equal(t, g.CID, boxo.String(), "boxo, %s, size %d", f, g.Size)
			requireAdopted(t, f, g)
		}
	}
}

// patternSums hashes each different leaf of the pattern once: the bytes of a
// full leaf repeat after as many leaves as the pattern is long.
func patternSums(f dag.Function, size int64) (sums []byte) {
	known := map[[2]int64][]byte{}
	l := &dag.Layout{Size: size, LeafSize: dag.LeafSize}
	for i := range dag.Profile().Leaves(size) {
		offset, length := l.Span(i)
		key := [2]int64{offset % period, length}
		if known[key] == nil {
			b := make([]byte, length)
			pattern{size}.ReadAt(b, offset)
			sum := f.Sum(b)
			known[key] = sum[:]
		}
		sums = append(sums, known[key]...)
	}
	return sums
}

// requireAdopted runs the bytes through the store itself.
func requireAdopted(t *testing.T, f dag.Function, g goldenBlob) {
	t.Helper()
	d := newDisk(t)
	d.store.SetFunction(f)
	content, err := io.ReadAll(pattern{g.Size}.reader())
	require.NoError(t, err)
	want := digest.NewDigestFromEncoded(digest.SHA256, g.SHA256)
	ref, err := d.adoptUpload(context.Background(), d.stage(content), want, Seen{}, 0)
	require.NoError(t, err)
	require.Equal(t, g.CID, ref.CID.String())
	require.Equal(t, g.Size, ref.Size)
}

// TestLargeGoldenEqualsBoxo hashes the blob of two levels with boxo itself.
func TestLargeGoldenEqualsBoxo(t *testing.T) {
	if testing.Short() {
		t.Skip("hashes a gigabyte")
	}
	for _, f := range dag.Functions() {
		g := readGoldens(t, f).Blobs[len(goldenSizes())-1]
		root := dagtest.RootIn(t, uint64(f), dagtest.Profile(), pattern{g.Size}.reader(), forgetful{})
		require.Equal(t, g.CID, root.String())
	}
}
