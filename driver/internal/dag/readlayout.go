package dag

import (
	"context"
	"fmt"

	"github.com/ipfs/boxo/ipld/merkledag"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	ipld "github.com/ipfs/go-ipld-format"
	"golang.org/x/sync/errgroup"
)

const (
	// maxInner bounds an inner block before it is hashed: a full one has some 52 kB.
	maxInner = 128 << 10
	// parallelGets is how many inner blocks are asked for at once.
	parallelGets = 8
)

// ReadLayout fetches the inner blocks of a blob through get, which may be called
// from several goroutines at once and need not verify anything. It returns the
// layout and the inner blocks, the root first. A root that is a leaf needs no get.
//
// The result is exactly the DAG that a push makes for that size. Any other DAG, and any
// block that does not match its CID, is ErrBadDAG. The number of blocks asked for follows
// from size alone. Errors of get are wrapped.
func ReadLayout(ctx context.Context, root cid.Cid, size int64, get func(ctx context.Context, c cid.Cid) ([]byte, error)) (*Layout, []blocks.Block, error) {
	l, inner, err := Profile().read(ctx, root, size, get)
	if err != nil {
		return nil, nil, fmt.Errorf("read layout of %s: %w", root, err)
	}
	return l, inner, nil
}

type getBlock func(ctx context.Context, c cid.Cid) ([]byte, error)

func (s Shape) read(ctx context.Context, root cid.Cid, size int64, get getBlock) (*Layout, []blocks.Block, error) {
	if err := s.Check(size); err != nil {
		return nil, nil, err
	}
	widths, codec := s.widths(size), uint64(cid.Raw)
	if len(widths) > 0 {
		codec = cid.DagProtobuf
	}
	f, ok := FunctionOfBlock(root, codec)
	if !ok {
		return nil, nil, fmt.Errorf("%s is out of place: %w", root, ErrBadDAG)
	}
	level := []cid.Cid{root}
	for _, width := range widths {
		if err := checkPrefix(level, f.prefix(cid.DagProtobuf)); err != nil {
			return nil, nil, err
		}
		below, err := s.children(ctx, level, width, get)
		if err != nil {
			return nil, nil, err
		}
		level = below
	}
	if err := checkPrefix(level, f.prefix(cid.Raw)); err != nil {
		return nil, nil, err
	}
	return s.rebuild(f, root, level, size)
}

// rebuild makes the DAG anew from its leaves, which all have f's prefix: when the root
// is the same, every link, size and byte of the inner blocks is what it should be.
func (s Shape) rebuild(f Function, root cid.Cid, leaves []cid.Cid, size int64) (*Layout, []blocks.Block, error) {
	sums := make([]byte, 0, len(leaves)*SumSize)
	for _, c := range leaves {
		sums = append(sums, c.Hash()[2:]...) // behind function and length, a byte each
	}
	l, inner, err := s.Build(f, sums, size)
	if err != nil {
		return nil, nil, err
	}
	if !l.Root.Equals(root) {
		return nil, nil, fmt.Errorf("its leaves make %s: %w", l.Root, ErrBadDAG)
	}
	if empty := f.Sum(nil); size == 0 && string(l.sums) != string(empty[:]) {
		return nil, nil, fmt.Errorf("not the empty blob: %w", ErrBadDAG)
	}
	return l, inner, nil
}

// widths gives the number of blocks on each level below the root, top down.
func (s Shape) widths(size int64) []int {
	var widths []int
	for n := s.Leaves(size); n > 1; n = (n + s.Links - 1) / s.Links {
		widths = append([]int{n}, widths...)
	}
	return widths
}

// children fetches one level and returns the links in it, which must be width.
func (s Shape) children(ctx context.Context, level []cid.Cid, width int, get getBlock) ([]cid.Cid, error) {
	below := make([]cid.Cid, width)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelGets)
	for i, c := range level {
		if ctx.Err() != nil {
			break
		}
		part := below[i*s.Links : min((i+1)*s.Links, width)]
		g.Go(func() error {
			links, err := fetchLinks(ctx, c, get)
			if err == nil && len(links) != len(part) {
				err = fmt.Errorf("%s has %d links instead of %d: %w", c, len(links), len(part), ErrBadDAG)
			}
			if err != nil {
				return err
			}
			for j, link := range links {
				part[j] = link.Cid
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return below, nil
}

// fetchLinks gets one inner block, verifies it and parses it.
func fetchLinks(ctx context.Context, c cid.Cid, get getBlock) ([]*ipld.Link, error) {
	data, err := get(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("inner block %s: %w", c, err)
	}
	if len(data) > maxInner || !Matches(c, data) {
		return nil, fmt.Errorf("inner block %s: %d bytes that do not match: %w", c, len(data), ErrBadDAG)
	}
	return ParseLinks(c, data)
}

// ParseLinks reads the links of an inner block, whose bytes the caller has verified.
func ParseLinks(c cid.Cid, data []byte) ([]*ipld.Link, error) {
	node, err := merkledag.DecodeProtobuf(data)
	if err != nil {
		return nil, fmt.Errorf("inner block %s: %w: %w", c, ErrBadDAG, err)
	}
	return node.Links(), nil
}

// Matches reports whether data is the block that c names.
func Matches(c cid.Cid, data []byte) bool {
	got, err := c.Prefix().Sum(data)
	return err == nil && got.Equals(c)
}

// checkPrefix wants every block of a level to be of one kind, made with the root's
// function.
func checkPrefix(level []cid.Cid, want cid.Prefix) error {
	for _, c := range level {
		if !c.Defined() || c.Prefix() != want {
			return fmt.Errorf("%s is out of place: %w", c, ErrBadDAG)
		}
	}
	return nil
}
