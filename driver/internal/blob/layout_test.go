package blob

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"testing"

	chunk "github.com/ipfs/boxo/chunker"
	"github.com/ipfs/boxo/ipld/merkledag"
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

// boxoRoot is the CID that boxo's balanced layout gives.
func boxoRoot(t testing.TB, s shape, r io.Reader) cid.Cid {
	t.Helper()
	return boxoRootIn(t, SHA2, s, r, mdtest.Mock())
}

func boxoRootIn(t testing.TB, f Function, s shape, r io.Reader, dag ipld.DAGService) cid.Cid {
	t.Helper()
	params := helpers.DagBuilderParams{Dagserv: dag, Maxlinks: s.links, RawLeaves: true}
	params.CidBuilder = unixfsio.UnixFS_v1_2025.CidBuilder()
	if f != SHA2 {
		params.CidBuilder = cid.V1Builder{Codec: cid.DagProtobuf, MhType: uint64(f)} // as `ipfs add --hash` does
	}
	db, err := params.New(chunk.NewSizeSplitter(r, s.leaf))
	require.NoError(t, err)
	node, err := balanced.Layout(db)
	require.NoError(t, err)
	return node.Cid()
}

// sumsOf hashes content leaf by leaf, the slow and plain way.
func sumsOf(s shape, content []byte) []byte { return sumsWith(SHA2, s, content) }

// sumsWith takes every function from another library than the store does.
func sumsWith(f Function, s shape, content []byte) []byte {
	var sums []byte
	for i := range s.leaves(int64(len(content))) {
		from := int64(i) * s.leaf
		mh, err := multihash.Sum(content[from:min(from+s.leaf, int64(len(content)))], uint64(f), sumSize)
		if err != nil {
			panic(err)
		}
		sums = append(sums, mh[2:]...)
	}
	return sums
}

func TestProfileIsUnixfsV1(t *testing.T) {
	p := unixfsio.UnixFS_v1_2025
	require.Equal(t, p.ChunkSize, profile().leaf)
	require.Equal(t, p.FileDAGWidth, profile().links)
	require.EqualValues(t, 1<<40, int64(MaxSize))
}

// counted is content without two equal leaves.
func counted(size int) []byte {
	b := make([]byte, 0, size+4)
	for i := uint32(0); len(b) < size; i++ {
		b = binary.BigEndian.AppendUint32(b, i)
	}
	return b[:size]
}

func TestLayoutEqualsBoxo(t *testing.T) {
	wide := shape{leaf: 4, links: 1024}
	for _, size := range []int{0, 1, 4, 5, 8, 4096, 4097, 4100, 3*4096 + 1, 4 * 1025, 4*2049 + 3} {
		t.Run(fmt.Sprint(size), func(t *testing.T) { requireLikeBoxo(t, wide, counted(size)) })
	}
	narrow := shape{leaf: 4, links: 3}
	for leaves := range 9 {
		requireLikeBoxo(t, narrow, counted(leaves*4))
	}
}

func FuzzLayoutEqualsBoxo(f *testing.F) {
	f.Add(uint16(1025), uint16(1024), uint8(3), []byte("x"))
	f.Add(uint16(2100), uint16(1024), uint8(0), []byte{})
	f.Add(uint16(7), uint16(3), uint8(1), []byte("abcabc"))
	f.Fuzz(func(t *testing.T, leaves, links uint16, tail uint8, seed []byte) {
		s := shape{leaf: 4, links: 2 + int(links)%1023}
		leaves %= 5000
		size := min(int(leaves)*4+int(tail)%4, 4*s.links*s.links)
		content := counted(size)
		copy(content, seed)
		requireLikeBoxo(t, s, content)
	})
}

func requireLikeBoxo(t *testing.T, s shape, content []byte) {
	t.Helper()
	for f := range functionNames {
		size := int64(len(content))
		l, inner, err := s.build(f, sumsWith(f, s, content), size)
		require.NoError(t, err)
		require.Equal(t, boxoRootIn(t, f, s, bytes.NewReader(content), mdtest.Mock()), l.Root)
		// And what is built can be read.
		got, gotInner, err := s.read(context.Background(), l.Root, size, getFrom(inner))
		require.NoError(t, err)
		require.Equal(t, l, got)
		require.Equal(t, inner, gotInner)
	}
}

func getFrom(inner []blocks.Block) getBlock {
	known := map[cid.Cid][]byte{}
	for _, b := range inner {
		known[b.Cid()] = b.RawData()
	}
	return func(_ context.Context, c cid.Cid) ([]byte, error) {
		if b, ok := known[c]; ok {
			return b, nil
		}
		return nil, ErrNotFound
	}
}

func TestBuildRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		leaves int
		size   int64
	}{
		"no leaf":   {0, 0},
		"too few":   {1, LeafSize + 1},
		"too many":  {2, LeafSize},
		"negative":  {1, -1},
		"too large": {1, MaxSize + 1},
	} {
		_, _, err := profile().build(SHA2, make([]byte, c.leaves*sumSize), c.size)
		require.ErrorIs(t, err, ErrBadDAG, name)
	}
}

// foreign is the CID of a block named with a function that is none of ours.
func foreign(t *testing.T, codec uint64) cid.Cid {
	t.Helper()
	mh, err := multihash.Sum([]byte("x"), multihash.SHA3_256, -1)
	require.NoError(t, err)
	return cid.NewCidV1(codec, mh)
}

// TestReadLayoutRefusesAMixture: a DAG whose blocks are good, each by itself, and
// named with two functions.
func TestReadLayoutRefusesAMixture(t *testing.T) {
	s := shape{leaf: 4, links: 3}
	content := counted(4 * 2)
	leaves, _, err := s.build(SHA2, sumsOf(s, content), 8)
	require.NoError(t, err)
	var children []subtree
	for i := range 2 {
		c, _, length := leaves.Leaf(i)
		children = append(children, subtree{c, uint64(length), uint64(length)})
	}
	root, _, err := parent(BLAKE3, children)
	require.NoError(t, err)
	_, _, err = s.read(t.Context(), root.Cid(), 8, getFrom([]blocks.Block{root}))
	require.ErrorIs(t, err, ErrBadDAG)
	for _, codec := range []uint64{cid.Raw, cid.DagProtobuf} {
		_, _, err = s.read(t.Context(), foreign(t, codec), 1, nil)
		require.ErrorIs(t, err, ErrBadDAG)
	}
}

func TestReadLayoutRefuses(t *testing.T) {
	s := shape{leaf: 4, links: 3}
	content := counted(4 * 7)
	size := int64(len(content))
	l, inner, err := s.build(SHA2, sumsOf(s, content), size)
	require.NoError(t, err)
	get := getFrom(inner)
	for _, wrong := range []int64{-1, 0, 3, size - 4, size - 1, size + 1, size + 4, 4 * 10, 1 << 50} {
		_, _, err := s.read(context.Background(), l.Root, wrong, get)
		require.ErrorIs(t, err, ErrBadDAG, "size %d", wrong)
	}
	t.Run("other bytes", func(t *testing.T) {
		lie := func(context.Context, cid.Cid) ([]byte, error) { return inner[1].RawData(), nil }
		_, _, err := s.read(context.Background(), l.Root, size, lie)
		require.ErrorIs(t, err, ErrBadDAG)
	})
	t.Run("huge block", func(t *testing.T) {
		huge := make([]byte, maxInner+1)
		b := blocks.NewBlock(huge)
		c := cid.NewCidV1(cid.DagProtobuf, b.Cid().Hash())
		_, _, err := s.read(context.Background(), c, size, func(context.Context, cid.Cid) ([]byte, error) { return huge, nil })
		require.ErrorIs(t, err, ErrBadDAG)
	})
	t.Run("get fails", func(t *testing.T) {
		cause := errors.New("nobody answers")
		_, _, err := s.read(context.Background(), l.Root, size, func(context.Context, cid.Cid) ([]byte, error) { return nil, cause })
		require.ErrorIs(t, err, cause)
		require.NotErrorIs(t, err, ErrBadDAG)
	})
	t.Run("another profile", func(t *testing.T) {
		_, _, err := shape{leaf: 4, links: 4}.read(context.Background(), l.Root, size, get)
		require.ErrorIs(t, err, ErrBadDAG)
	})
	t.Run("named links", func(t *testing.T) {
		node, err := merkledag.DecodeProtobuf(inner[0].RawData())
		require.NoError(t, err)
		links := node.Links()
		links[0].Name = "surprise"
		require.NoError(t, node.SetLinks(links))
		require.NoError(t, node.SetCidBuilder(unixfsio.UnixFS_v1_2025.CidBuilder()))
		forged, err := blocks.NewBlockWithCid(node.RawData(), node.Cid())
		require.NoError(t, err)
		_, _, err = s.read(context.Background(), forged.Cid(), size, getFrom(append(inner, forged)))
		require.ErrorIs(t, err, ErrBadDAG)
	})
	t.Run("empty blob", func(t *testing.T) {
		_, _, err := ReadLayout(context.Background(), SHA2.leafCID(sumsOf(s, []byte("x"))), 0, nil)
		require.ErrorIs(t, err, ErrBadDAG)
		l, inner, err := ReadLayout(context.Background(), SHA2.leafCID(sumsOf(s, nil)), 0, nil)
		require.NoError(t, err)
		require.Empty(t, inner)
		require.Equal(t, 1, l.Leaves())
	})
}

func FuzzReadLayout(f *testing.F) {
	f.Add([]byte{}, int64(8))
	f.Add([]byte{0x0a, 0x04, 0x08, 0x02, 0x18, 0x08}, int64(1<<20+1))
	f.Fuzz(func(t *testing.T, data []byte, size int64) {
		sum := sha256.Sum256(data)
		c := cid.NewCidV1(cid.DagProtobuf, SHA2.leafCID(sum[:]).Hash())
		_, _, err := ReadLayout(context.Background(), c, size%(1<<32), func(context.Context, cid.Cid) ([]byte, error) { return data, nil })
		require.ErrorIs(t, err, ErrBadDAG)
	})
}

func TestLeaf(t *testing.T) {
	content := random(1, 2*LeafSize+5)
	l, _, err := profile().build(SHA2, sumsOf(profile(), content), int64(len(content)))
	require.NoError(t, err)
	require.Equal(t, 3, l.Leaves())
	c, offset, length := l.Leaf(2)
	require.EqualValues(t, 2*LeafSize, offset)
	require.EqualValues(t, 5, length)
	require.True(t, matches(c, content[offset:offset+length]))
}
