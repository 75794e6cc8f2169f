package driver_test

import (
	"bytes"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/ipfs/boxo/ipld/merkledag"
	"github.com/ipfs/boxo/ipld/unixfs"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	ipld "github.com/ipfs/go-ipld-format"
	"github.com/multiformats/go-multihash"
	"github.com/opencontainers/go-digest"

	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
)

const leafSize = 1 << 20

// branch is a block of a DAG as its parent sees it, and all inner blocks in it, its
// own first.
type branch struct {
	root  cid.Cid
	bytes uint64 // of the blob, as it says
	total uint64
	inner []blocks.Block
}

func leavesOf(t *testing.T, content []byte) (leaves []branch) {
	t.Helper()
	for len(content) > 0 {
		n := min(leafSize, len(content))
		c, err := cid.V1Builder{Codec: cid.Raw, MhType: multihash.SHA2_256}.Sum(content[:n])
		must(t, err)
		leaves = append(leaves, branch{root: c, bytes: uint64(n), total: uint64(n)})
		content = content[n:]
	}
	return leaves
}

// join makes an inner block as the profile has it, of whatever it is given.
func join(t *testing.T, children ...branch) branch {
	t.Helper()
	node, file := new(merkledag.ProtoNode), unixfs.NewFSNode(unixfs.TFile)
	must(t, node.SetCidBuilder(cid.V1Builder{Codec: cid.DagProtobuf, MhType: multihash.SHA2_256}))
	var b branch
	for _, c := range children {
		must(t, node.AddRawLink("", &ipld.Link{Cid: c.root, Size: c.total}))
		file.AddBlockSize(c.bytes)
		b.bytes, b.total, b.inner = b.bytes+c.bytes, b.total+c.total, append(b.inner, c.inner...)
	}
	data, err := file.GetBytes()
	must(t, err)
	node.SetData(data)
	b.root, b.total = node.Cid(), b.total+uint64(len(node.RawData()))
	b.inner = append([]blocks.Block{node}, b.inner...)
	return b
}

// lie is an entry, and a DAG where that is not the right one.
type lie struct {
	content []byte
	dag     *branch // nil: the right one
	size    int64
}

func lies(t *testing.T) map[string]lie {
	t.Helper()
	sized := func(actual, said int64) lie { return lie{randomBytes(t, int(actual)), nil, said} }
	dag := func(make func(l []branch) branch) lie {
		content := randomBytes(t, 2*leafSize+5)
		b := make(leavesOf(t, content))
		return lie{content, &b, int64(len(content))}
	}
	small := randomBytes(t, 3000)
	alone := join(t, leavesOf(t, small)...)
	const three = 2*leafSize + 5 // of so many leaves
	return map[string]lie{
		"a byte less":                   sized(three, three-1),
		"a byte more":                   sized(three, three+1),
		"a leaf less":                   sized(three, 2*leafSize),
		"a leaf more":                   sized(three, 3*leafSize+1),
		"no bytes":                      sized(three, 0),
		"more than there can be":        sized(three, 1<<50),
		"one leaf, a byte less":         sized(3000, 2999),
		"one leaf, a byte more":         sized(3000, 3001),
		"one leaf, many claimed":        sized(3000, 5*leafSize),
		"one leaf, no bytes":            sized(3000, 0),
		"a leaf is missing":             dag(func(l []branch) branch { return join(t, l[0], l[2]) }),
		"the last leaf is missing":      dag(func(l []branch) branch { return join(t, l[0], l[1]) }),
		"a leaf too many":               dag(func(l []branch) branch { return join(t, l[0], l[1], l[2], l[2]) }),
		"a link's size":                 dag(func(l []branch) branch { l[0].total++; return join(t, l...) }),
		"a leaf's size":                 dag(func(l []branch) branch { l[0].bytes++; l[1].bytes--; return join(t, l...) }),
		"too deep":                      dag(func(l []branch) branch { return join(t, join(t, l[0], l[1]), join(t, l[2])) }),
		"deep without end":              dag(func(l []branch) branch { return join(t, deep(t, 40, l[0]), l[1], l[2]) }),
		"an inner block above one leaf": {small, &alone, int64(len(small))},
	}
}

func deep(t *testing.T, levels int, b branch) branch {
	t.Helper()
	for range levels {
		b = join(t, b)
	}
	return b
}

// TestEntriesThatLie: a trusted registry writes entries with a wrong size and entries
// of DAGs that are not what they should be, and holds what they name. Another one
// refuses such a download before it sends a status, also where it has the bytes.
func TestEntriesThatLie(t *testing.T) {
	key := drivertest.Key(t)
	p := drivertest.Parameters(t, key)
	p.FetchTimeout = 5 * time.Second
	a := drivertest.Start(t, p)
	p.DatastorePath, p.Bootstrappers = t.TempDir(), a.Addresses()
	b := drivertest.Start(t, p)
	drivertest.AwaitMesh(t, a, b)
	for name, l := range lies(t) {
		path := blobPath(digest.FromBytes(l.content))
		if l.dag == nil {
			pushBlob(t, a, l.content)
			if !bytes.Equal(get(t, b, path), l.content) {
				t.Fatal("other bytes arrived")
			}
			c, err := a.CIDOf(path)
			must(t, err)
			l.dag = &branch{root: c}
		} else {
			must(t, a.PutForged(l.content, l.dag.inner...))
		}
		must(t, a.PutEntry(path, l.dag.root, l.size))
		drivertest.AwaitAgreement(t, a, b)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requireRefused(t, b, path)
		})
	}
}

// requireRefused asks for the first byte as a download does before it sends a status,
// and then reads.
func requireRefused(t *testing.T, m *drivertest.Member, path string) {
	t.Helper()
	r, err := http.NewRequestWithContext(asRequest(t, http.MethodGet, "vars.digest"), http.MethodGet, "http://x/", nil)
	must(t, err)
	if _, err := m.RedirectURL(r, path); err == nil {
		t.Error("it is not refused")
	}
	body, err := m.Reader(r.Context(), path, 0)
	if err != nil {
		return
	}
	defer func() { _ = body.Close() }()
	if got, err := io.ReadAll(body); err == nil {
		t.Errorf("%d bytes were read", len(got))
	}
}
