package pathmap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ipfs/boxo/datastore/dshelp"
	"github.com/ipfs/boxo/ipld/merkledag"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	ds "github.com/ipfs/go-datastore"
	"github.com/ipfs/go-ds-crdt/pb"
	"google.golang.org/protobuf/proto"
)

// Past is what one delta of the history did to paths. Settings are not among them.
type Past struct {
	Mark    string // of its place in the history: where reading may go on
	Changes []PastChange
	Heard   *Heard // of a delta that only removes
}

// PastChange is what a delta did to one path.
type PastChange struct {
	Path    string
	Added   []PastVersion // one, but for a delta of another release
	Removed []PastVersion // without their entries, see Recall
}

// PastVersion is a version of a path that is, or was, alive.
type PastVersion struct {
	Name   string // that no other version has, on any registry
	Writer string // peer ID
	Entry  Entry
	Err    error // ErrNewerEntry: this release cannot read the entry

	version
	key  string
	from cid.Cid // the delta that added it
}

// Wins reports whether a version wins over another one of its path.
func (v PastVersion) Wins(over PastVersion) bool { return over.less(v.version) }

// ErrMark reports that a text is no mark of the history.
var ErrMark = errors.New("no mark of the history")

// ErrNotInOrder reports that the history was written by an earlier release, and is being put in
// order, which is done some time after the start.
var ErrNotInOrder = errors.New("the history is being put in order: try again later")

// Past calls f with the deltas of the history until f returns false: none before one that follows it,
// and so the latest first, as far as that can be said of what was written on several registries at the
// same time. It begins before a mark; "": with the heads. It reads what is on disk, a delta at a time,
// and holds up neither readers nor writers. A delta that it cannot read has no changes.
func (m *Map) Past(ctx context.Context, before string, f func(Past) bool) error {
	if !m.ordered.Load() {
		return ErrNotInOrder
	}
	last := m.crdt.Load().InternalStats(ctx).MaxHeight
	from := place{priority: last}
	if before != "" {
		var err error
		if from, err = placeNamed(before); err != nil {
			return fmt.Errorf("%q: %w", clip(before), ErrMark)
		}
	}
	oldest, _, err := m.placesAfter(ctx, place{}, 1)
	if err != nil || len(oldest) == 0 {
		return err
	}
	end := oldest[0].priority >> shelfBits // before that all is dropped
	for shelf := min(from.priority, last) >> shelfBits; shelf >= end; shelf-- {
		places, err := m.readShelf(ctx, shelf)
		if err != nil {
			return err
		}
		for _, p := range slices.Backward(places) {
			if from.cid.Defined() && p.compare(from) >= 0 {
				continue
			}
			past, err := m.pastOf(ctx, p)
			if err != nil || !f(past) {
				return err
			}
		}
		if shelf == 0 {
			break
		}
	}
	return nil
}

func (m *Map) pastOf(ctx context.Context, p place) (Past, error) {
	past := Past{Mark: p.name()}
	msg, _, err := m.readDelta(ctx, p.cid)
	if err != nil || msg == nil {
		return past, err
	}
	of, added := map[string]int{}, false
	at := func(path string) *PastChange {
		i, ok := of[path]
		if !ok {
			i = len(past.Changes)
			of[path] = i
			past.Changes = append(past.Changes, PastChange{Path: path})
		}
		return &past.Changes[i]
	}
	for _, e := range msg.GetElements() {
		added = true
		if path, v, ok := pastVersion(e.GetKey()); ok {
			v.Entry, v.Err = UnmarshalEntry(e.GetValue())
			v.from = p.cid
			c := at(path)
			c.Added = append(c.Added, v)
		}
	}
	for _, e := range msg.GetTombstones() {
		if path, v, ok := pastVersion(e.GetKey()); ok {
			v.from, _ = dshelp.DsKeyToCidV1(ds.NewKey(e.GetId()), cid.DagProtobuf) // what is none leads nowhere
			c := at(path)
			c.Removed = append(c.Removed, v)
		}
	}
	if !added {
		past.Heard = m.last.heardOf(p.cid)
	}
	slices.SortFunc(past.Changes, func(a, b PastChange) int { return strings.Compare(a.Path, b.Path) })
	return past, nil
}

// pastVersion reads the key of a version of a path; false for any other key.
func pastVersion(key string) (path string, v PastVersion, ok bool) {
	path, of, ours, err := parseKey(key)
	if err != nil || !ours || isSetting(path) {
		return "", v, false
	}
	return path, PastVersion{Name: of.name(), Writer: peerOf(of.writer), version: of, key: key}, true
}

func (v version) name() string { return fmt.Sprintf("%016x-%s", v.counter, v.writer) }

// readDelta reads a delta from disk, past transactions; nil when it is none that can be read. size is
// that of its block in bytes.
func (m *Map) readDelta(ctx context.Context, c cid.Cid) (msg *pb.Delta, size int, err error) {
	raw, err := m.cfg.Store.Get(ctx, blockKey.Child(dshelp.MultihashToDsKey(c.Hash())))
	if errors.Is(err, ds.ErrNotFound) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read delta %s: %w", c, err)
	}
	b, err := blocks.NewBlockWithCid(raw, c)
	if err != nil || len(raw) > maxDelta {
		return nil, 0, nil
	}
	node, err := merkledag.DecodeProtobuf(b.RawData())
	if err != nil {
		return nil, 0, nil
	}
	msg = &pb.Delta{}
	if proto.Unmarshal(node.Data(), msg) != nil {
		return nil, 0, nil
	}
	return msg, len(raw), nil
}

// Recall reads the entry of a version that was removed, from the delta that added it; ErrNotFound
// where that is not here.
func (m *Map) Recall(ctx context.Context, v PastVersion) (PastVersion, error) {
	if !v.from.Defined() {
		return v, ErrNotFound
	}
	msg, _, err := m.readDelta(ctx, v.from)
	if err != nil {
		return v, err
	}
	for _, e := range msg.GetElements() {
		if e.GetKey() == v.key {
			v.Entry, v.Err = UnmarshalEntry(e.GetValue())
			return v, nil
		}
	}
	return v, ErrNotFound
}

// Live are the live versions of a path, the one that wins first.
func (v View) Live(path string) (all []PastVersion) {
	for _, st := range v.s.versionsOf(path) {
		all = append(all, PastVersion{Name: st.name(), Writer: peerOf(st.writer), Entry: st.entry, Err: st.err, version: st.version})
	}
	slices.SortFunc(all, func(a, b PastVersion) int {
		if a.Wins(b) {
			return -1
		}
		return 1
	})
	return all
}
