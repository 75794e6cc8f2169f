package pathmap

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/ipfs/boxo/ipld/merkledag"
	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-ds-crdt/pb"
	ipld "github.com/ipfs/go-ipld-format"
	"google.golang.org/protobuf/proto"
)

// mostHeads is how many deltas may be there that none follows. The next write here follows all of them, and
// the others refuse a delta that follows more than maxHeads, as this registry does. A group of merges
// adds no more than groupDeltas.
const mostHeads = maxHeads / 2

// bundle has deltas that change nothing follow the heads when they are too many, as after a partition of
// a large swarm, or when a member makes one sibling after the other. Registries that have the same heads
// make the same deltas. It is called inside the transaction.
func (m *Map) bundle(snap *snapshot) error {
	for heads := m.liveHeads(); len(heads) > mostHeads; heads = m.liveHeads() {
		slices.SortFunc(heads, func(a, b cid.Cid) int { return bytes.Compare(a.Hash(), b.Hash()) })
		d, err := m.follower(heads[:min(len(heads), maxHeads)], &pb.Delta{})
		if err == nil && m.cfg.Key != nil {
			d.signature, err = sign(m.cfg.Key, d.cid) // others may make the same: each keeps the one that it has first
		}
		if err == nil {
			err = m.mergeDelta(snap, d)
		}
		if err != nil {
			return fmt.Errorf("follow %d heads with one: %w", len(heads), err)
		}
	}
	return nil
}

// follower is a delta that follows others, which are merged.
func (m *Map) follower(parents []cid.Cid, msg *pb.Delta) (*delta, error) {
	msg.Priority = 1
	for _, p := range parents {
		priority, ok, err := m.known(p)
		if err == nil && !ok {
			err = fmt.Errorf("%w: %s", errOrphan, p)
		}
		if err != nil {
			return nil, err
		}
		msg.Priority = max(msg.Priority, priority+1)
	}
	raw, err := proto.Marshal(msg)
	if err != nil {
		return nil, err
	}
	node := merkledag.NodeWithData(raw)
	if err := node.SetCidBuilder(merkledag.V1CidPrefix()); err != nil {
		return nil, err
	}
	for _, p := range parents {
		if err := node.AddRawLink("", &ipld.Link{Cid: p}); err != nil {
			return nil, err
		}
	}
	return parseDelta(node)
}
