package pathmap

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ipfs/boxo/datastore/dshelp"
	"github.com/ipfs/go-cid"
	ds "github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"
	"github.com/multiformats/go-multihash"
)

// A registry that joined by state has what the deltas up to a cut did, and not these deltas: of
// each it keeps the name and the priority, so that it knows what is in its past, whoever asks.
var (
	cutKey    = ds.NewKey("/paths/cut")    // → under which labels the names of what lies behind cuts are, with commas between
	behindKey = ds.NewKey("/paths/behind") // /<label>/<delta> → its priority
)

// namesBehind is where the names of the deltas behind cuts are; nil: there are none here.
type namesBehind struct{ labels []string }

// newLabel tells the names of one cut from those of another that did not come whole.
func newLabel() string {
	b := make([]byte, 8)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// with is the same and one more.
func (n *namesBehind) with(label string) *namesBehind {
	if n == nil {
		return &namesBehind{[]string{label}}
	}
	return &namesBehind{append(slices.Clone(n.labels), label)}
}

func (n *namesBehind) has(label string) bool { return n != nil && slices.Contains(n.labels, label) }

// all are the labels.
func (n *namesBehind) all() []string {
	if n == nil {
		return nil
	}
	return n.labels
}

// under are the prefixes of their keys.
func (n *namesBehind) under() (all []string) {
	for _, l := range n.all() {
		all = append(all, underLabel(l))
	}
	return all
}

func underLabel(label string) string { return behindKey.ChildString(label).String() }

// loadCut reads whether a state became a part of the map.
func (m *Map) loadCut() error {
	labels, err := m.cfg.Store.Get(m.ctx, cutKey)
	if errors.Is(err, ds.ErrNotFound) {
		m.behindCut.Store(nil)
		return nil
	}
	if err != nil {
		return fmt.Errorf("load path map: %w", err)
	}
	m.behindCut.Store(&namesBehind{strings.Split(string(labels), ",")})
	return nil
}

// idOf is how go-ds-crdt names a delta in its keys, and in tombstones.
func idOf(c cid.Cid) string { return dshelp.MultihashToDsKey(c.Hash()).String() }

// cidOf is the inverse of idOf. It takes only what can be a delta.
func cidOf(id string) (cid.Cid, error) {
	if len(id) > maxIDSize {
		return cid.Undef, fmt.Errorf("%w: an ID of %d bytes", errBadDelta, len(id))
	}
	c, err := dshelp.DsKeyToCidV1(ds.RawKey("/"+trimSlash(id)), cid.DagProtobuf)
	if err == nil && (!isDeltaCID(c) || idOf(c) != id) {
		err = errBadDelta
	}
	if err != nil {
		return cid.Undef, fmt.Errorf("%q is not the ID of a delta: %w", id, err)
	}
	return c, nil
}

func trimSlash(id string) string {
	if len(id) > 0 && id[0] == '/' {
		return id[1:]
	}
	return id
}

// priorityOf reads the priority of a delta of which a key holds it.
func (m *Map) priorityOf(key ds.Key) (priority uint64, ok bool, err error) {
	b, err := m.ledger.Get(m.ctx, key)
	if errors.Is(err, ds.ErrNotFound) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("look up delta %s: %w", key.Name(), err)
	}
	priority, n := binary.Uvarint(b)
	return priority, n > 0, nil
}

// knownID returns the priority of a delta that is merged, or lies behind the cut.
func (m *Map) knownID(id string) (priority uint64, ok bool, err error) {
	priority, ok, err = m.priorityOf(ds.RawKey(knownKey.String() + id))
	if ok || err != nil {
		return priority, ok, err
	}
	return m.named(id)
}

// named returns the priority of a delta of which only the name need be here.
func (m *Map) named(id string) (priority uint64, ok bool, err error) {
	for _, under := range m.behindCut.Load().under() { // names only ever move from there to the bygone
		priority, ok, err = m.priorityOf(dsKey(under + id))
		if ok || err != nil {
			return priority, ok, err
		}
	}
	return m.bygone(id)
}

// processed tells the CRDT that the parents of a delta are merged that lie behind a cut: it has no mark
// of these. undo takes that back, for an earlier release, which knows of no cut, is to read them. Both
// are called inside the transaction.
func (m *Map) processed(d *delta) (undo func() error, err error) {
	var marks []ds.Key
	if m.lacksHistory() {
		for _, p := range d.parents {
			_, merged, err := m.priorityOf(ds.RawKey(knownKey.String() + idOf(p)))
			if err != nil {
				return nil, err
			}
			if !merged {
				marks = append(marks, processedKey(idOf(p)))
			}
		}
	}
	for _, mark := range marks {
		if err := m.ledger.Put(m.ctx, mark, nil); err != nil {
			return nil, err
		}
	}
	return func() error {
		for _, mark := range marks {
			if err := m.ledger.Delete(m.ctx, mark); err != nil {
				return err
			}
		}
		return nil
	}, nil
}

// processedKey is where go-ds-crdt notes that it has merged a delta.
func processedKey(id string) ds.Key { return ds.RawKey(crdtKey.ChildString("b").String() + id) }

// appendName adds a delta to a page of names: its digest, and its priority as a varint.
func appendName(page []byte, id string, priority uint64) ([]byte, error) {
	c, err := cidOf(id)
	if err != nil {
		return nil, err
	}
	hash := c.Hash()
	return binary.AppendUvarint(append(page, hash[len(hash)-nameSize:]...), priority), nil
}

// eachName reads a page of names.
func eachName(page []byte, f func(digest []byte, id string, priority uint64) error) error {
	for len(page) > 0 {
		if len(page) <= nameSize {
			return fmt.Errorf("%w: a name of %d bytes", errProtocol, len(page))
		}
		digest := page[:nameSize]
		priority, n := binary.Uvarint(page[nameSize:])
		if n <= 0 || priority == 0 {
			return fmt.Errorf("%w: a name without a priority", errProtocol)
		}
		page = page[nameSize+n:]
		hash, err := multihash.Encode(digest, multihash.SHA2_256)
		if err != nil {
			return err
		}
		if err := f(digest, dshelp.MultihashToDsKey(hash).String(), priority); err != nil {
			return err
		}
	}
	return nil
}

// after asks for the entries below a key that come after another one, in their order, some at
// once: no iterator stays open while a member, or the disk, takes its time.
func (m *Map) after(prefix, last string, keysOnly bool) ([]query.Entry, error) {
	q := query.Query{Prefix: prefix, KeysOnly: keysOnly, Limit: scanned, Orders: []query.Order{query.OrderByKey{}}}
	if last != "" {
		q.Filters = []query.Filter{query.FilterKeyCompare{Op: query.GreaterThan, Key: last}}
	}
	res, err := m.cfg.Store.Query(m.ctx, q)
	if err != nil {
		return nil, err
	}
	return res.Rest()
}

// scanned is how many keys are read at once.
const scanned = 4096

// scan calls f for all entries below a prefix that come after a key, in their order.
func (m *Map) scan(prefix, last string, keysOnly bool, f func(query.Entry) error) error {
	for {
		entries, err := m.after(prefix, last, keysOnly)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if err := f(e); err != nil {
				return err
			}
		}
		if len(entries) < scanned || m.ctx.Err() != nil {
			return m.ctx.Err()
		}
		last = entries[len(entries)-1].Key
	}
}
