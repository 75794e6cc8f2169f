package dag

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"testing"

	"github.com/ipfs/boxo/ipld/merkledag"
	unixfsio "github.com/ipfs/boxo/ipld/unixfs/io"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag/dagtest"
)

func sumsOf(s Shape, content []byte) []byte { return dagtest.Sums(uint64(SHA2), s.Leaf, content) }

func TestProfileIsUnixfsV1(t *testing.T) {
	p := unixfsio.UnixFS_v1_2025
	require.Equal(t, p.ChunkSize, Profile().Leaf)
	require.Equal(t, p.FileDAGWidth, Profile().Links)
	require.EqualValues(t, 1<<40, int64(MaxSize))
}

func TestLayoutEqualsBoxo(t *testing.T) {
	wide := Shape{Leaf: 4, Links: 1024}
	for _, size := range []int{0, 1, 4, 5, 8, 4096, 4097, 4100, 3*4096 + 1, 4 * 1025, 4*2049 + 3} {
		t.Run(fmt.Sprint(size), func(t *testing.T) { requireLikeBoxo(t, wide, dagtest.Counted(size)) })
	}
	narrow := Shape{Leaf: 4, Links: 3}
	for leaves := range 9 {
		requireLikeBoxo(t, narrow, dagtest.Counted(leaves*4))
	}
}

func FuzzLayoutEqualsBoxo(f *testing.F) {
	f.Add(uint16(1025), uint16(1024), uint8(3), []byte("x"))
	f.Add(uint16(2100), uint16(1024), uint8(0), []byte{})
	f.Add(uint16(7), uint16(3), uint8(1), []byte("abcabc"))
	f.Fuzz(func(t *testing.T, leaves, links uint16, tail uint8, seed []byte) {
		s := Shape{Leaf: 4, Links: 2 + int(links)%1023}
		leaves %= 5000
		size := min(int(leaves)*4+int(tail)%4, 4*s.Links*s.Links)
		content := dagtest.Counted(size)
		copy(content, seed)
		requireLikeBoxo(t, s, content)
	})
}

func requireLikeBoxo(t *testing.T, s Shape, content []byte) {
	t.Helper()
	for _, f := range Functions() {
		size := int64(len(content))
		l, inner, err := s.Build(f, dagtest.Sums(uint64(f), s.Leaf, content), size)
		require.NoError(t, err)
		require.Equal(t, dagtest.Root(t, uint64(f), dagtest.Shape(s), bytes.NewReader(content)), l.Root)
		// And what is built can be read.
		got, gotInner, err := s.read(context.Background(), l.Root, size, dagtest.Get(inner))
		require.NoError(t, err)
		require.Equal(t, l, got)
		require.Equal(t, inner, gotInner)
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
		_, _, err := Profile().Build(SHA2, make([]byte, c.leaves*SumSize), c.size)
		require.ErrorIs(t, err, ErrBadDAG, name)
	}
}

// TestReadLayoutRefusesAMixture: a DAG whose blocks are good, each by itself, and
// named with two functions.
func TestReadLayoutRefusesAMixture(t *testing.T) {
	s := Shape{Leaf: 4, Links: 3}
	content := dagtest.Counted(4 * 2)
	leaves, _, err := s.Build(SHA2, sumsOf(s, content), 8)
	require.NoError(t, err)
	var children []subtree
	for i := range 2 {
		c, _, length := leaves.Leaf(i)
		children = append(children, subtree{c, uint64(length), uint64(length)})
	}
	root, _, err := parent(BLAKE3, children)
	require.NoError(t, err)
	_, _, err = s.read(t.Context(), root.Cid(), 8, dagtest.Get([]blocks.Block{root}))
	require.ErrorIs(t, err, ErrBadDAG)
	for _, codec := range []uint64{cid.Raw, cid.DagProtobuf} {
		_, _, err = s.read(t.Context(), dagtest.Foreign(t, codec), 1, nil)
		require.ErrorIs(t, err, ErrBadDAG)
	}
}

func TestReadLayoutRefuses(t *testing.T) {
	s := Shape{Leaf: 4, Links: 3}
	content := dagtest.Counted(4 * 7)
	size := int64(len(content))
	l, inner, err := s.Build(SHA2, sumsOf(s, content), size)
	require.NoError(t, err)
	get := dagtest.Get(inner)
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
		_, _, err := Shape{Leaf: 4, Links: 4}.read(context.Background(), l.Root, size, get)
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
		_, _, err = s.read(context.Background(), forged.Cid(), size, dagtest.Get(append(inner, forged)))
		require.ErrorIs(t, err, ErrBadDAG)
	})
	t.Run("empty blob", func(t *testing.T) {
		_, _, err := ReadLayout(context.Background(), SHA2.LeafCID(sumsOf(s, []byte("x"))), 0, nil)
		require.ErrorIs(t, err, ErrBadDAG)
		l, inner, err := ReadLayout(context.Background(), SHA2.LeafCID(sumsOf(s, nil)), 0, nil)
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
		c := cid.NewCidV1(cid.DagProtobuf, SHA2.LeafCID(sum[:]).Hash())
		_, _, err := ReadLayout(context.Background(), c, size%(1<<32), func(context.Context, cid.Cid) ([]byte, error) { return data, nil })
		require.ErrorIs(t, err, ErrBadDAG)
	})
}

func TestLeaf(t *testing.T) {
	content := dagtest.Counted(2*LeafSize + 5)
	l, _, err := Profile().Build(SHA2, sumsOf(Profile(), content), int64(len(content)))
	require.NoError(t, err)
	require.Equal(t, 3, l.Leaves())
	c, offset, length := l.Leaf(2)
	require.EqualValues(t, 2*LeafSize, offset)
	require.EqualValues(t, 5, length)
	require.True(t, Matches(c, content[offset:offset+length]))
}
