package pathmap

import (
	"errors"
	"fmt"

	ds "github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"
)

// errNotCompacted reports why the history is not compacted.
var errNotCompacted = fmt.Errorf("%w, so the history is needed", errGivesNone)

// obstacle is something in the map that no state can carry.
type obstacle struct {
	key string // a version; "": the map and its datastore differ, until the next start
	why error
}

// obstructed is why this map cannot be given as a state, as far as is known; nil: it can. Once the key
// that was in the way is deleted, it is in the way no more.
func (m *Map) obstructed() error {
	o := m.obstacle.Load()
	if o == nil {
		return nil
	}
	if o.key == "" {
		return o.why
	}
	err := m.canTravel(o.key)
	if err == nil {
		m.obstacle.CompareAndSwap(o, nil)
		return nil
	}
	if errors.Is(err, errGivesNone) {
		return err
	}
	return o.why // the datastore does not answer
}

// obstructs notes that the map holds what no state can carry.
func (m *Map) obstructs(key string, why error) error {
	m.obstacle.Store(&obstacle{key, why})
	m.log.WithField("key", clip(key)).WithError(why).Debug("the state of the map cannot be given: members read its history")
	return why
}

// canTravel makes sure that a version, if it is alive, can be a part of a state: without history there
// is no other way to it.
func (m *Map) canTravel(key string) error {
	alive, err := m.cfg.Store.Has(m.ctx, dsKey(liveKeys+key+"/v"))
	if err != nil || !alive {
		return err
	}
	if _, _, ours, err := parseKey(key); err != nil || !ours {
		return fmt.Errorf("%w: %q was written by another release", errNotCompacted, clip(key))
	}
	wrote, err := m.wroteIt(m.cfg.Store, key)
	if err == nil && len(wrote) > 1 {
		err = fmt.Errorf("%w: two changes wrote %q", errNotCompacted, clip(key))
	}
	return err
}

// wroteIt are the IDs of the deltas that wrote a version, and of which that is not deleted.
func (m *Map) wroteIt(from ds.Read, key string) (ids []string, err error) {
	res, err := from.Query(m.ctx, query.Query{Prefix: elemKeys + key, KeysOnly: true})
	if err != nil {
		return nil, err
	}
	entries, err := res.Rest()
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		id := e.Key[len(elemKeys)+len(key):]
		if len(entries) > 1 { // else it is alive, or nothing of it is
			dead, err := from.Has(m.ctx, dsKey(tombKeys+key+id))
			if err != nil {
				return nil, err
			}
			if dead {
				continue
			}
		}
		ids = append(ids, id)
	}
	return ids, nil
}
