package pathmap

import (
	"errors"
	"fmt"
	"strings"

	ds "github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"
)

// dropKey is where it is written down which versions that are here a state deletes:
// /<label>/<version>/<ID of the delta that added it>. They may be more than one transaction holds. So
// they are written first; then the transaction that names the label in cutKey deletes all of them, as
// far as anybody can tell who reads the map; then they are deleted on disk, a step at a time, with
// what is written of them here. A kill leaves nothing that the next start does not go on with.
var dropKey = ds.NewKey("/paths/drop")

func dropsOf(label string) string { return dropKey.ChildString(label).String() }

// maxStep is how many keys one transaction deletes, and half of what it writes down: each may be as
// long as maxKey.
const maxStep = 1024

// drops are what one state deletes.
type drops struct {
	m     *Map
	under string
	keys  []ds.Key // that are not written yet
}

func (d *drops) add(v stateVersion) error {
	if d.keys = append(d.keys, dsKey(d.under+v.place())); len(d.keys) < maxStep {
		return nil
	}
	return d.write()
}

func (d *drops) write() error {
	err := d.m.inOne(func(txn ds.Txn) error {
		for _, k := range d.keys {
			if err := txn.Put(d.m.ctx, k, nil); err != nil {
				return err
			}
		}
		return nil
	})
	d.keys = d.keys[:0]
	if err != nil {
		return fmt.Errorf("%w: write down what a state deletes: %w", errNotStored, err)
	}
	return nil
}

// dropWritten deletes on disk what a state has deleted.
func (m *Map) dropWritten(under string) error {
	return m.inSteps(under, func(e query.Entry) ([]ds.Key, error) {
		key, id := splitPlace(e.Key[len(under):])
		return []ds.Key{dsKey(elemKeys + key + id), dsKey(liveKeys + key + "/v"), dsKey(liveKeys + key + "/p"), twiceOf(key, id), dsKey(e.Key)}, nil
	})
}

// withoutDropped takes out of a map that was read from disk what is still there of what states
// deleted.
func (m *Map) withoutDropped(snap *snapshot) error {
	for _, label := range m.behindCut.Load().all() {
		under := dropsOf(label)
		err := m.scan(under, "", true, func(e query.Entry) error {
			key, _ := splitPlace(e.Key[len(under):])
			if path, v, ours, err := parseKey(strings.Clone(key)); err == nil && ours {
				snap.remove(path, v)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("load path map: what a state deleted: %w", err)
		}
	}
	return nil
}

// forgetState removes what a state left that did not become a part of the map: its names, and what it
// would have deleted. Its versions stay for the next attempt.
func (m *Map) forgetState(label string) error {
	return errors.Join(m.dropBelow(underLabel(label)), m.dropBelow(dropsOf(label)))
}

// dropBelow deletes all below a key.
func (m *Map) dropBelow(below string) error {
	return m.inSteps(below, func(e query.Entry) ([]ds.Key, error) { return []ds.Key{dsKey(e.Key)}, nil })
}

// inSteps deletes, for each entry below a key, some keys, with one transaction for those of several
// entries.
func (m *Map) inSteps(below string, of func(query.Entry) ([]ds.Key, error)) error {
	var gone []ds.Key
	err := m.scan(below, "", true, func(e query.Entry) error {
		keys, err := of(e)
		if err != nil {
			return err
		}
		if gone = append(gone, keys...); len(gone) < maxStep {
			return nil
		}
		err = m.deleteAll(gone)
		gone = gone[:0]
		return err
	})
	if err != nil {
		return err
	}
	return m.deleteAll(gone)
}

// deleteAll deletes keys in one transaction.
func (m *Map) deleteAll(keys []ds.Key) error {
	if len(keys) == 0 {
		return nil
	}
	return m.inOne(func(txn ds.Txn) error {
		for _, k := range keys {
			if err := txn.Delete(m.ctx, k); err != nil {
				return err
			}
		}
		return nil
	})
}

// inOne commits what f writes, in one transaction beside that of the ledger.
func (m *Map) inOne(f func(ds.Txn) error) error {
	txn, err := m.cfg.Store.NewTransaction(m.ctx, false)
	if err != nil {
		return err
	}
	defer txn.Discard(m.ctx)
	if err := f(txn); err != nil {
		return err
	}
	return txn.Commit(m.ctx)
}

// strangers are the labels below a key that are of no cut of this map's. Each is found by a seek,
// whatever there is of it.
func (m *Map) strangers(below ds.Key) (labels []string, err error) {
	prefix := below.String() + "/"
	for last := prefix; ; {
		q := query.Query{Prefix: below.String(), KeysOnly: true, Limit: 1, Orders: []query.Order{query.OrderByKey{}},
			Filters: []query.Filter{query.FilterKeyCompare{Op: query.GreaterThan, Key: last}}}
		res, err := m.cfg.Store.Query(m.ctx, q)
		if err != nil {
			return nil, err
		}
		entries, err := res.Rest()
		if err != nil || len(entries) == 0 {
			return labels, err
		}
		label, _, _ := strings.Cut(strings.TrimPrefix(entries[0].Key, prefix), "/")
		if !m.behindCut.Load().has(label) {
			labels = append(labels, label)
		}
		last = prefix + label + string(rune('/'+1)) // behind all of it: all labels are as long
	}
}
