package pathmap

import (
	"errors"
	"fmt"
	"strings"

	ds "github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"
)

// store puts the versions of a page on disk, in place of those of an attempt before. Nothing is written
// to the map meanwhile: what is here is not replaced.
func (k *taking) store(end string, versions []stateVersion) error {
	m, tk := k.m, &k.m.taken
	m.lock.Lock()
	defer m.lock.Unlock()
	if err := m.mend(); err != nil {
		return err
	}
	add, err := k.replace(end, versions)
	if err != nil {
		tk.begun, tk.pages = true, nil // how much of it is there is not known, nor of what was there before
		return err
	}
	for _, v := range add {
		tk.staged.set(v.path, v.version, v.value)
	}
	return nil
}

func (k *taking) replace(end string, versions []stateVersion) (add []stateVersion, err error) {
	m, tk := k.m, &k.m.taken
	if tk.begun {
		if err := m.clearStaged(tk.staged, k.from, end); err != nil {
			return nil, err
		}
	}
	if add, err = k.notHere(versions); err != nil {
		return nil, err
	}
	return add, m.inOne(func(txn ds.Txn) error {
		for _, v := range add {
			if err := txn.Put(m.ctx, dsKey(elemKeys+v.place()), nil); err != nil {
				return err
			}
			if err := txn.Put(m.ctx, dsKey(liveKeys+v.key+"/v"), v.value); err != nil {
				return err
			}
		}
		return nil
	})
}

// notHere are those versions of which the delta is not merged here. Of the others it is noted that
// they came: what is here of them says more.
func (k *taking) notHere(versions []stateVersion) (add []stateVersion, err error) {
	now, nothing := k.m.current.Load(), len(k.m.Heads()) == 0
	for i, v := range versions {
		if _, twice := k.m.taken.staged.valueOf(v.path, v.version); twice || i > 0 && v.key == versions[i-1].key {
			return nil, fmt.Errorf("%w: two changes wrote %q", errWrongState, clip(v.key))
		}
		if nothing {
			add = append(add, v)
			continue
		}
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
			k.here = append(k.here, v.mark())
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
// is one. What readers see stays, even where somebody named another delta that were to have added it.
// m.lock is held, and memory is in step with the disk.
func (m *Map) clearStaged(staged *snapshot, from, end string) error {
	var gone []ds.Key
	errEnd := errors.New("end")
	last := ""
	if from != "" {
		last = elemKeys + from
	}
	now := m.current.Load()
	err := m.scan(elemKeys, last, true, func(e query.Entry) error {
		place := e.Key[len(elemKeys):]
		if end != "" && place > end {
			return errEnd
		}
		key, id := splitPlace(place)
		path, v, ours, perr := parseKey(key)
		if _, merged, err := m.knownID(id); err != nil || merged || perr != nil || !ours {
			return err
		}
		if staged != nil {
			staged.remove(strings.Clone(path), v)
		}
		gone = append(gone, dsKey(e.Key))
		if _, seen := now.valueOf(path, v); !seen {
			gone = append(gone, dsKey(liveKeys+key+"/v"))
		}
		if len(gone) < maxStep {
			return nil
		}
		err := m.deleteAll(gone)
		gone = gone[:0]
		return err
	})
	if err != nil && !errors.Is(err, errEnd) {
		return err
	}
	return m.deleteAll(gone)
}
