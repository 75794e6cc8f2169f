package dag

import (
	"fmt"

	"github.com/ipfs/boxo/ipld/merkledag"
	"github.com/ipfs/boxo/ipld/unixfs"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	ipld "github.com/ipfs/go-ipld-format"
)

const (
	// LeafSize is the size in bytes of every leaf of a blob but its last.
	LeafSize = 1 << 20
	// MaxSize is the most bytes a blob can have: two levels of full inner blocks.
	MaxSize = LeafSize * maxLinks * maxLinks

	maxLinks = 1024
)

// Layout says where each leaf of one blob lies and what its CID is. A blob has
// at least one Leaf: that of an empty blob has no bytes. Layouts do not change and
// are safe for concurrent use; they take 32 bytes of memory a leaf.
type Layout struct {
	Root     cid.Cid
	Size     int64 // bytes
	LeafSize int64 // bytes; the last leaf may be shorter
	function Function
	sums     []byte
}

// Leaves is the number of leaves.
func (l *Layout) Leaves() int { return len(l.sums) / SumSize }

// LeavesOf is the number of leaves of a blob of that size in bytes.
func LeavesOf(size int64) int { return Profile().Leaves(size) }

// LeafAt is the leaf, counted from 0, in which a byte of a blob lies.
func LeafAt(offset int64) int { return int(offset / LeafSize) }

// Leaf gives the CID of leaf i, counted from 0, and its place in the blob in bytes.
// It panics when there is no such leaf.
func (l *Layout) Leaf(i int) (c cid.Cid, offset, length int64) {
	offset, length = l.Span(i)
	return l.function.LeafCID(l.sum(i)), offset, length
}

// Matches reports whether data are the bytes of leaf i, counted from 0. It panics when
// there is no such leaf.
func (l *Layout) Matches(i int, data []byte) bool {
	_, length := l.Span(i)
	if int64(len(data)) != length {
		return false
	}
	sum := l.function.Sum(data)
	return string(sum[:]) == string(l.sum(i))
}

func (l *Layout) sum(i int) []byte { return l.sums[i*SumSize : (i+1)*SumSize] }

// Span is where leaf i lies in the blob, in bytes.
func (l *Layout) Span(i int) (offset, length int64) { return span(i, l.LeafSize, l.Size) }

func span(i int, leaf, size int64) (offset, length int64) {
	offset = int64(i) * leaf
	return offset, min(leaf, size-offset)
}

// Shape is what determines a DAG beside the bytes and the hash function.
type Shape struct {
	Leaf  int64 // bytes
	Links int   // of an inner block, at most
}

// Profile is the shape of all blobs; tests use smaller ones.
func Profile() Shape { return Shape{Leaf: LeafSize, Links: maxLinks} }

// Span is where leaf i of a blob of that size lies, in bytes.
func (s Shape) Span(i int, size int64) (offset, length int64) { return span(i, s.Leaf, size) }

// Leaves is the number of leaves of a blob; an empty one has one, too.
func (s Shape) Leaves(size int64) int {
	return int(max(1, (size+s.Leaf-1)/s.Leaf))
}

// Check reports whether a blob of that size can be laid out.
func (s Shape) Check(size int64) error {
	if limit := s.Leaf * int64(s.Links) * int64(s.Links); size < 0 || size > limit {
		return fmt.Errorf("size %d is not between 0 and %d: %w", size, limit, ErrBadDAG)
	}
	return nil
}

// subtree is what a parent block records of a child.
type subtree struct {
	root  cid.Cid
	bytes uint64 // of the blob
	total uint64 // of all blocks, as Tsize counts them
}

// Build lays the DAG over the leaves with these sums of f. All leaves have the same
// depth, and every inner block but the last of its level is full: that is what
// boxo's balanced layout gives. It returns the inner blocks too, the root first.
func (s Shape) Build(f Function, sums []byte, size int64) (*Layout, []blocks.Block, error) {
	if err := s.Check(size); err != nil {
		return nil, nil, err
	}
	l := &Layout{Size: size, LeafSize: s.Leaf, function: f, sums: sums}
	if l.Leaves() != s.Leaves(size) {
		return nil, nil, fmt.Errorf("%d leaves for %d bytes: %w", l.Leaves(), size, ErrBadDAG)
	}
	level := make([]subtree, l.Leaves())
	for i := range level {
		c, _, length := l.Leaf(i)
		level[i] = subtree{root: c, bytes: uint64(length), total: uint64(length)}
	}
	var inner []blocks.Block
	for len(level) > 1 {
		parents, made, err := s.parents(f, level)
		if err != nil {
			return nil, nil, err
		}
		level, inner = parents, append(made, inner...)
	}
	l.Root = level[0].root
	return l, inner, nil
}

// parents makes the level above.
func (s Shape) parents(f Function, level []subtree) ([]subtree, []blocks.Block, error) {
	var above []subtree
	var made []blocks.Block
	for len(level) > 0 {
		n := min(s.Links, len(level))
		block, tree, err := parent(f, level[:n])
		if err != nil {
			return nil, nil, err
		}
		above, made, level = append(above, tree), append(made, block), level[n:]
	}
	return above, made, nil
}

// parent encodes one inner block.
func parent(f Function, children []subtree) (blocks.Block, subtree, error) {
	node, file := new(merkledag.ProtoNode), unixfs.NewFSNode(unixfs.TFile)
	if err := node.SetCidBuilder(f.prefix(cid.DagProtobuf)); err != nil {
		return nil, subtree{}, fmt.Errorf("inner block: %w", err)
	}
	var tree subtree
	for _, child := range children {
		if err := node.AddRawLink("", &ipld.Link{Cid: child.root, Size: child.total}); err != nil {
			return nil, subtree{}, fmt.Errorf("inner block: %w", err)
		}
		file.AddBlockSize(child.bytes)
		tree.bytes += child.bytes
		tree.total += child.total
	}
	data, err := file.GetBytes()
	if err != nil {
		return nil, subtree{}, fmt.Errorf("inner block: %w", err)
	}
	node.SetData(data)
	raw, err := node.EncodeProtobuf(false)
	if err != nil {
		return nil, subtree{}, fmt.Errorf("inner block: %w", err)
	}
	tree.root, tree.total = node.Cid(), tree.total+uint64(len(raw))
	block, err := blocks.NewBlockWithCid(raw, tree.root)
	if err != nil {
		return nil, subtree{}, fmt.Errorf("inner block: %w", err)
	}
	return block, tree, nil
}
