package pathmap

import (
	"encoding/binary"
	"errors"
	"fmt"

	ds "github.com/ipfs/go-datastore"
)

// twiceKey is where the value is that a delta wrote of which only the name is here, since another delta
// wrote the same version: /<version>/<ID of the delta>. Which value is alive depends on both, and when
// what the other one wrote is deleted, this one is alive again. It is needed only where a datastore was
// copied and both copies wrote.
var twiceKey = ds.NewKey("/paths/twice")

func twiceOf(key, id string) ds.Key { return dsKey(twiceKey.String() + key + id) }

// keepFirst keeps what was written of versions that a delta writes once more. It is called inside the
// transaction, before the delta is merged.
func (m *Map) keepFirst(snap *snapshot, d *delta) error {
	for _, c := range d.changes {
		if !c.added {
			continue
		}
		value, alive := snap.valueOf(c.path, c.version)
		if !alive {
			continue
		}
		if err := m.keepValue(keyOf(c.path, c.version).String(), value); err != nil {
			return fmt.Errorf("keep what another change wrote at %s: %w", c.path, err)
		}
	}
	return nil
}

// keepValue keeps the value of a version whose only delta is known by name, with its priority, which a
// state does not bring along.
func (m *Map) keepValue(key, value string) error {
	by, err := m.wroteIt(m.ledger, key)
	if err != nil {
		return err
	}
	if len(by) != 1 { // then each was kept before, or has its block
		return nil
	}
	_, merged, err := m.priorityOf(dsKey(knownKey.String() + by[0]))
	if err != nil || merged {
		return err
	}
	priority, _, err := m.named(by[0])
	if err != nil {
		return err
	}
	return errors.Join(m.ledger.Put(m.ctx, twiceOf(key, by[0]), []byte(value)),
		m.ledger.Put(m.ctx, dsKey(liveKeys+key+"/p"), binary.AppendUvarint(nil, priority+1)))
}

// firstValue is what keepValue kept; nil: nothing.
func (m *Map) firstValue(key, id string) ([]byte, error) {
	value, err := m.ledger.Get(m.ctx, twiceOf(key, id))
	if errors.Is(err, ds.ErrNotFound) {
		return nil, nil
	}
	return value, err
}
