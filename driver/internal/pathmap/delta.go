package pathmap

import (
	"errors"
	"fmt"

	"github.com/ipfs/boxo/ipld/merkledag"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-ds-crdt/pb"
	"google.golang.org/protobuf/proto"
)

const (
	maxDelta  = 1 << 20 // bytes of a delta's block that are accepted
	maxHeads  = 1024    // heads in one announcement, parents of one delta
	maxIDSize = 128     // bytes of an element's ID
)

var errBadDelta = errors.New("malformed delta")

// delta is one block of the history: what it changes and what it follows.
type delta struct {
	cid      cid.Cid
	parents  []cid.Cid
	priority uint64
	changes  []change
	size     int
	block    blocks.Block
	stored   bool // block is on disk

	signature []byte // that was checked; nil: none came, or it is on disk
	vouched   bool   // it is merged without one: most registries have merged it, or the operator said so
}

func (d *delta) place() place { return place{d.priority, d.cid} }

// change is one version of one path that a delta adds or removes.
type change struct {
	path string
	version
	added bool
}

// parseDelta decodes a block and checks all that can be checked without its
// parents: its size, its keys and its entries. Keys and entries of later
// releases pass, unread.
func parseDelta(b blocks.Block) (*delta, error) {
	raw := b.RawData()
	if len(raw) > maxDelta {
		return nil, fmt.Errorf("%w %s: %d bytes", errBadDelta, b.Cid(), len(raw))
	}
	if err := weigh(raw); err != nil {
		return nil, fmt.Errorf("%w %s: %w", errBadDelta, b.Cid(), err)
	}
	node, err := merkledag.DecodeProtobuf(raw)
	if err != nil {
		return nil, fmt.Errorf("%w %s: %w", errBadDelta, b.Cid(), err)
	}
	if n, most := countFields(node.Data(), maxChanges(raw)), maxChanges(raw); n > most {
		return nil, fmt.Errorf("%w %s: it is malformed, or makes more than %d changes", errBadDelta, b.Cid(), most)
	}
	msg := &pb.Delta{}
	if err := proto.Unmarshal(node.Data(), msg); err != nil {
		return nil, fmt.Errorf("%w %s: %w", errBadDelta, b.Cid(), err)
	}
	d := &delta{cid: b.Cid(), priority: msg.GetPriority(), size: len(raw), block: b}
	for _, l := range node.Links() {
		d.parents = append(d.parents, l.Cid)
	}
	if len(d.parents) > maxHeads || d.priority == 0 {
		return nil, fmt.Errorf("%w %s: %d parents, priority %d", errBadDelta, b.Cid(), len(d.parents), d.priority)
	}
	if err := d.collect(msg); err != nil {
		return nil, fmt.Errorf("%w %s: %w", errBadDelta, b.Cid(), err)
	}
	return d, nil
}

// parentsOf reads only what a delta follows: a delta that an older release accepted is passed
// on as it is, and the registry that receives it does its own checks.
func parentsOf(b blocks.Block) ([]cid.Cid, error) {
	node, err := merkledag.DecodeProtobuf(b.RawData())
	if err != nil {
		return nil, fmt.Errorf("%w %s: %w", errBadDelta, b.Cid(), err)
	}
	var parents []cid.Cid
	for _, l := range node.Links() {
		parents = append(parents, l.Cid)
	}
	return parents, nil
}

func (d *delta) collect(msg *pb.Delta) error {
	for _, e := range msg.GetElements() {
		path, v, ours, err := parseKey(e.GetKey())
		if err != nil {
			return fmt.Errorf("%q: %w", clip(e.GetKey()), err)
		}
		if !ours {
			continue
		}
		if _, err := UnmarshalEntry(e.GetValue()); err != nil && !errors.Is(err, ErrNewerEntry) {
			return fmt.Errorf("%q: %w", clip(e.GetKey()), err)
		}
		d.changes = append(d.changes, change{path: path, version: v, added: true})
	}
	for _, e := range msg.GetTombstones() {
		path, v, ours, err := parseKey(e.GetKey())
		if err != nil || len(e.GetId()) == 0 || len(e.GetId()) > maxIDSize {
			return fmt.Errorf("tombstone of %q: %w", clip(e.GetKey()), errBadKey)
		}
		if ours {
			d.changes = append(d.changes, change{path: path, version: v})
		}
	}
	return nil
}

// clip is the beginning of a text that a member sent, for an error.
func clip(text string) string { return text[:min(len(text), maxIDSize)] }
