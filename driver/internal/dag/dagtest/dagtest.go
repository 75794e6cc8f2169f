// Package dagtest tells tests which DAG other libraries make of some bytes, and makes such
// bytes.
//
//	content := dagtest.Counted(3 << 20)
//	root := dagtest.Root(t, multihash.SHA2_256, dagtest.Profile(), bytes.NewReader(content))
//
// Limits: everything is held in memory.
package dagtest

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"testing"

	chunk "github.com/ipfs/boxo/chunker"
	mdtest "github.com/ipfs/boxo/ipld/merkledag/test"
	"github.com/ipfs/boxo/ipld/unixfs/importer/balanced"
	"github.com/ipfs/boxo/ipld/unixfs/importer/helpers"
	unixfsio "github.com/ipfs/boxo/ipld/unixfs/io"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	ipld "github.com/ipfs/go-ipld-format"
	"github.com/multiformats/go-multihash"
	"github.com/stretchr/testify/require"
)

// Shape is that of a DAG: the bytes of a leaf, and the most links of an inner block.
type Shape struct {
	Leaf  int64
	Links int
}

// Profile is the shape of unixfs-v1-2025.
func Profile() Shape {
	return Shape{Leaf: unixfsio.UnixFS_v1_2025.ChunkSize, Links: unixfsio.UnixFS_v1_2025.FileDAGWidth}
}

// Root is the CID that boxo's balanced layout gives, with the hash function of that code in
// multiformats' table.
func Root(t testing.TB, function uint64, s Shape, r io.Reader) cid.Cid {
	t.Helper()
	return RootIn(t, function, s, r, mdtest.Mock())
}

// RootIn is Root, and puts the blocks into a DAG service.
func RootIn(t testing.TB, function uint64, s Shape, r io.Reader, dag ipld.DAGService) cid.Cid {
	t.Helper()
	params := helpers.DagBuilderParams{Dagserv: dag, Maxlinks: s.Links, RawLeaves: true}
	params.CidBuilder = unixfsio.UnixFS_v1_2025.CidBuilder()
	if function != multihash.SHA2_256 {
		params.CidBuilder = cid.V1Builder{Codec: cid.DagProtobuf, MhType: function} // as `ipfs add --hash` does
	}
	db, err := params.New(chunk.NewSizeSplitter(r, s.Leaf))
	require.NoError(t, err)
	node, err := balanced.Layout(db)
	require.NoError(t, err)
	return node.Cid()
}

// Sums hashes content leaf by leaf, the slow and plain way, by multiformats' own library.
func Sums(function uint64, leaf int64, content []byte) []byte {
	var sums []byte
	for from := int64(0); from == 0 || from < int64(len(content)); from += leaf {
		mh, err := multihash.Sum(content[from:min(from+leaf, int64(len(content)))], function, 32)
		if err != nil {
			panic(err)
		}
		sums = append(sums, mh[2:]...)
	}
	return sums
}

// Counted is content without two equal leaves.
func Counted(size int) []byte {
	b := make([]byte, 0, size+4)
	for i := uint32(0); len(b) < size; i++ {
		b = binary.BigEndian.AppendUint32(b, i)
	}
	return b[:size]
}

// Get gives the blocks of a DAG by their CIDs, and for others an error.
func Get(inner []blocks.Block) func(context.Context, cid.Cid) ([]byte, error) {
	known := map[cid.Cid][]byte{}
	for _, b := range inner {
		known[b.Cid()] = b.RawData()
	}
	return func(_ context.Context, c cid.Cid) ([]byte, error) {
		if b, ok := known[c]; ok {
			return b, nil
		}
		return nil, fmt.Errorf("block %s is not one of them", c)
	}
}

// Foreign is the CID of a block named with a function that blobs do not have.
func Foreign(t testing.TB, codec uint64) cid.Cid {
	t.Helper()
	mh, err := multihash.Sum([]byte("x"), multihash.SHA3_256, -1)
	require.NoError(t, err)
	return cid.NewCidV1(codec, mh)
}
