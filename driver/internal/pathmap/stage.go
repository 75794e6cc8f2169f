package pathmap

import (
	"errors"
	"fmt"
	"strings"

	ds "github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"
)

// store puts the versions of a page on disk, in place of those of an attempt before.
func (k *taking) store(end string, versions []stateVersion) error {
	m, tk := k.m, &k.m.taken
	if tk.begun {
		if err := m.clearStaged(tk.staged, k.from, end); err != nil {
			return err
		}
	}
	txn, err := m.cfg.Store.NewTransaction(m.ctx, false)
	if err != nil {
		return err
	}
	defer txn.Discard(m.ctx)
	add, err := k.notHere(versions)
	if err != nil {
		return err
	}
	for _, v := range add {
		if err := txn.Put(m.ctx, dsKey(elemKeys+v.place()), nil); err != nil {
			return err
		}
		if err := txn.Put(m.ctx, dsKey(liveKeys+v.key+"/v"), v.value); err != nil {
			return err
		}
	}
	if err := txn.Commit(m.ctx); err != nil {
		tk.begun = true // how much of it is there is not known
		return err
	}
	for _, v := range add {
		tk.staged.set(v.path, v.version, v.value)
	}
	return nil
}

// notHere are those versions of which the delta is not merged here. Of the others it is noted that
// they came: what is here of them says more.
func (k *taking) notHere(versions []stateVersion) (add []stateVersion, err error) {
	if k.empty {
		return versions, nil
	}
	now := k.m.current.Load()
	for _, v := range versions {
		if peerOf(v.writer) == k.m.cfg.Self {
			k.m.incarnation.merged(k.m.cfg.Self, v.version)
		}
		_, here, err := k.m.knownID(v.id)
		if err != nil {
			return nil, err
		}
		_, twice := now.valueOf(v.path, v.version)
		switch {
		case here:
			k.m.taken.here[v.mark()] = struct{}{}
		case twice:
			return nil, fmt.Errorf("%w that can be taken: two changes wrote %q", errGivesNone, clip(v.key))
		default:
			add = append(add, v)
		}
	}
	return add, nil
}

// mark stands for a version in a set.
func (v stateVersion) mark() (d digest) {
	d.addVersion(v.key, "")
	return d
}

// noteTaking stores that what comes is not whole.
func (m *Map) noteTaking() error {
	m.lock.Lock()
	defer m.lock.Unlock()
	if err := m.mend(); err != nil {
		return err
	}
	if err := m.ledger.begin(m.ctx); err != nil {
		return err
	}
	err := m.noteUnfinished(true)
	if err == nil {
		err = m.ledger.Put(m.ctx, takingKey, nil)
	}
	if err == nil {
		err = m.ledger.commit(m.ctx)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errNotStored, m.fail(err))
	}
	return nil
}

// clearStaged removes versions from disk that lie between two places (end "": all that follow), and
// that no delta added which is merged here, or behind the cut. From staged they go as well, if there
// is one.
func (m *Map) clearStaged(staged *snapshot, from, end string) error {
	var gone []ds.Key
	drop := func() error {
		err := m.deleteAll(gone)
		gone = gone[:0]
		return err
	}
	errEnd := errors.New("end")
	last := ""
	if from != "" {
		last = elemKeys + from
	}
	err := m.scan(elemKeys, last, true, func(e query.Entry) error {
		place := e.Key[len(elemKeys):]
		if end != "" && place > end {
			return errEnd
		}
		key, id := splitPlace(place)
		if _, merged, err := m.knownID(id); err != nil || merged {
			return err
		}
		if path, v, ours, err := parseKey(key); err == nil && ours && staged != nil {
			staged.remove(strings.Clone(path), v)
		}
		gone = append(gone, dsKey(e.Key), dsKey(liveKeys+key+"/v"))
		if len(gone) < scanned {
			return nil
		}
		return drop()
	})
	if err != nil && !errors.Is(err, errEnd) {
		return err
	}
	return drop()
}

// deleteAll deletes keys in one transaction.
func (m *Map) deleteAll(keys []ds.Key) error {
	if len(keys) == 0 {
		return nil
	}
	txn, err := m.cfg.Store.NewTransaction(m.ctx, false)
	if err != nil {
		return err
	}
	defer txn.Discard(m.ctx)
	for _, k := range keys {
		if err := txn.Delete(m.ctx, k); err != nil {
			return err
		}
	}
	return txn.Commit(m.ctx)
}
