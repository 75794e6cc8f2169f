package pathmap

import (
	"fmt"
	"slices"

	"github.com/ipfs/boxo/ipld/merkledag"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-ds-crdt/pb"
	"google.golang.org/protobuf/proto"
)

// A revocation is never taken back: else whoever is revoked would delete it with its next change. Nor is it that
// signatures are required. So a tombstone of one deletes nothing, here as on all registries of this release, and no
// registry writes one.

// lasting is the block that go-ds-crdt merges of a delta: the delta's own, but without tombstones of what lasts.
func lasting(d *delta) (blocks.Block, error) {
	if !slices.ContainsFunc(d.changes, func(c change) bool { return !c.added && isLasting(c.path) }) {
		return d.block, nil
	}
	node, err := merkledag.DecodeProtobuf(d.block.RawData())
	if err != nil {
		return nil, err
	}
	msg := &pb.Delta{}
	if err := proto.Unmarshal(node.Data(), msg); err != nil {
		return nil, err
	}
	msg.Tombstones = slices.DeleteFunc(msg.Tombstones, lasts)
	raw, err := proto.Marshal(msg)
	if err != nil {
		return nil, fmt.Errorf("leave out what would take back a revocation, or that signatures are required: %w", err)
	}
	node.SetData(raw)
	return blocks.NewBlockWithCid(node.RawData(), d.cid)
}

// lasts reports whether a tombstone is of what is never taken back.
func lasts(tombstone *pb.Element) bool {
	path, _, ours, err := parseKey(tombstone.GetKey())
	return err == nil && ours && isLasting(path)
}
