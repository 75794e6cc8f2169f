package pathmap

import (
	"context"
	"slices"

	"github.com/ipfs/boxo/ipld/merkledag"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	ds "github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"
	"github.com/ipfs/go-ds-crdt/pb"
	ipld "github.com/ipfs/go-ipld-format"
	"google.golang.org/protobuf/proto"
)

// standIn is what go-ds-crdt reads in place of a delta that is known by name only, while it merges
// another one that removes some, but not all, of what was written under a key: it looks for what is left
// in the deltas that wrote it. Without it one tombstone that names another delta than the one that
// wrote its key would be merged by those that have the history, and by nobody else.
// Of a key the value is known that is alive. Where several deltas wrote it, that need not be the
// value of this one: its own was kept when the other one came (twice.go). The error is ErrNotFound where
// nothing is to be told.
func (m *Map) standIn(ctx context.Context, merging blocks.Block, c cid.Cid) (blocks.Block, error) {
	id := idOf(c)
	priority, ok, err := m.knownID(id)
	if err != nil {
		return nil, err
	}
	tombs, err := tombsOf(merging)
	if err != nil {
		return nil, err
	}
	msg := &pb.Delta{Priority: priority}
	for key, ids := range tombs {
		value, err := m.leftOf(ctx, key, id, ids)
		if err != nil {
			return nil, err
		}
		if value != nil {
			msg.Elements = append(msg.Elements, &pb.Element{Key: key, Value: value})
		}
	}
	if !ok || len(msg.Elements) == 0 {
		return nil, ipld.ErrNotFound{Cid: c}
	}
	return inPlaceOf(c, msg)
}

// nothing is what go-ds-crdt reads in place of a delta that is known by name only, while this registry
// makes one of its own. That deletes all that was written of a version, so no value is looked for.
func (m *Map) nothing(c cid.Cid) (blocks.Block, error) {
	priority, ok, err := m.knownID(idOf(c))
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, ipld.ErrNotFound{Cid: c}
	}
	return inPlaceOf(c, &pb.Delta{Priority: priority})
}

func inPlaceOf(c cid.Cid, msg *pb.Delta) (blocks.Block, error) {
	raw, err := proto.Marshal(msg)
	if err != nil {
		return nil, err
	}
	return blocks.NewBlockWithCid(merkledag.NodeWithData(raw).RawData(), c)
}

// tombsOf are the keys that a delta removes something of, and of what deltas.
func tombsOf(b blocks.Block) (map[string][]string, error) {
	node, err := merkledag.DecodeProtobuf(b.RawData())
	if err != nil {
		return nil, err
	}
	msg := &pb.Delta{}
	if err := proto.Unmarshal(node.Data(), msg); err != nil {
		return nil, err
	}
	tombs := map[string][]string{}
	for _, t := range msg.GetTombstones() {
		tombs[t.GetKey()] = append(tombs[t.GetKey()], t.GetId())
	}
	return tombs, nil
}

// leftOf is the value that a delta wrote under a key of which others are removed; nil when it did not
// write it, or that is not known.
func (m *Map) leftOf(ctx context.Context, key, id string, removed []string) ([]byte, error) {
	if first, err := m.firstValue(key, id); err != nil || first != nil {
		return first, err
	}
	res, err := m.ledger.Query(ctx, query.Query{Prefix: elemKeys + key, KeysOnly: true})
	if err != nil {
		return nil, err
	}
	entries, err := res.Rest()
	if err != nil {
		return nil, err
	}
	wrote, others := false, 0
	for _, e := range entries {
		by := e.Key[len(elemKeys)+len(key):]
		if by == id {
			wrote = true
			continue
		}
		dead, err := m.ledger.Has(ctx, dsKey(tombKeys+key+by))
		if err != nil {
			return nil, err
		}
		if ds.RawKey(by).IsTopLevel() && !dead {
			others++
		}
	}
	if !wrote || others > 0 && !slices.Contains(removed, id) { // else it is removed, too, whatever its value
		return nil, nil
	}
	return m.ledger.Get(ctx, dsKey(liveKeys+key+"/v"))
}
