package dag

import (
	"bytes"
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/ipfs/boxo/ipld/merkledag"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	ipld "github.com/ipfs/go-ipld-format"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag/dagtest"
)

// FuzzDAG: a DAG of any form, wide, deep, with blocks that occur again and again or name what
// nobody has, is refused, or is the one that a push makes; and no more blocks are asked for than
// such a one has. No block can name itself, but a member may send any block for any CID.
func FuzzDAG(f *testing.F) {
	f.Add([]byte{0, 0, 0, 3, 1, 2, 3, 0xff}, int64(12), uint8(3), uint8(0))
	f.Add([]byte{1, 1, 1, 1, 1, 1, 2, 1, 2, 1, 2}, int64(9), uint8(2), uint8(1))
	f.Add(bytes.Repeat([]byte{200, 3, 1, 2, 3}, 20), int64(1<<20), uint8(200), uint8(7))
	f.Fuzz(func(t *testing.T, plan []byte, size int64, links, liar uint8) {
		s := Shape{Leaf: 4, Links: 2 + int(links)}
		size %= 4 * int64(s.Links) * int64(s.Links)
		made, root := madeOf(plan)
		var asked atomic.Int64
		get := func(_ context.Context, c cid.Cid) ([]byte, error) {
			n := asked.Add(1)
			if b, ok := made[c]; ok && (liar == 0 || n%int64(liar) != 0) {
				return b, nil
			}
			if liar != 0 && n%2 == 0 {
				return made[root], nil // the root again, for whatever was asked for
			}
			return nil, errors.New("nobody has it")
		}
		l, inner, err := s.read(t.Context(), root, size, get)
		most := int64(1)
		for _, width := range s.widths(max(0, size)) {
			most += int64(width)
		}
		if asked.Load() > most {
			t.Errorf("%d blocks were asked for, of %d", asked.Load(), most)
		}
		if err == nil && (!l.Root.Equals(root) || l.Size != size || len(inner) != int(asked.Load())) {
			t.Errorf("%+v of %s with %d bytes, %d blocks", l, root, size, len(inner))
		}
	})
}

// madeOf makes blocks as a plan says: each byte of it links to what was made so many blocks ago,
// and one of 0 ends a block.
func madeOf(plan []byte) (made map[cid.Cid][]byte, root cid.Cid) {
	made = map[cid.Cid][]byte{}
	all := []cid.Cid{SHA2.LeafCID(sumsOf(Shape{Leaf: 4}, dagtest.Counted(4)))}
	node := merkledag.NodeWithData([]byte{0x08, 0x02})
	end := func() {
		b := blocks.NewBlock(node.RawData())
		c := cid.NewCidV1(cid.DagProtobuf, b.Multihash())
		made[c], root = node.RawData(), c
		all = append(all, c)
		node = merkledag.NodeWithData([]byte{0x08, 0x02})
	}
	for _, back := range plan {
		if back == 0 {
			end()
			continue
		}
		to := all[max(0, len(all)-int(back))]
		_ = node.AddRawLink("", &ipld.Link{Cid: to, Size: uint64(back)}) // it takes any
	}
	end()
	return made, root
}
