package pathmap

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/ipfs/boxo/datastore/dshelp"
	ds "github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"
	"github.com/multiformats/go-multihash"
)

// What this registry dropped of its history, it knows by name, and so it does in the end what lies
// behind the cut of a state (absorb.go).
var (
	bygoneKey    = ds.NewKey("/paths/bygone")    // /<digest of the delta's name, as bytes>: → its priority
	compactedKey = ds.NewKey("/paths/compacted") // → compactedDeltas, as JSON; there once there is a name
)

// compactedDeltas is how much was dropped, and when last.
type compactedDeltas struct {
	Deltas int       `json:"deltas"`
	At     time.Time `json:"at"`
}

// bygoneName is the key of a delta's name: 34 bytes below the prefix, where the text that go-ds-crdt
// makes of it takes 57. A colon follows, because a key must not end with a slash, and a digest may.
func bygoneName(id string) (ds.Key, error) {
	c, err := cidOf(id)
	if err != nil {
		return ds.Key{}, err
	}
	hash := c.Hash()
	return dsKey(bygoneKey.String() + "/" + string(hash[len(hash)-nameSize:]) + ":"), nil
}

// bygoneID is the inverse.
func bygoneID(key string) (id string, err error) {
	name := key[min(len(key), len(bygoneKey.String())+1):]
	if len(name) != nameSize+1 {
		return "", fmt.Errorf("%w: a name of %d bytes", errBadDelta, len(name))
	}
	hash, err := multihash.Encode([]byte(name[:nameSize]), multihash.SHA2_256)
	if err != nil {
		return "", err
	}
	return dshelp.MultihashToDsKey(hash).String(), nil
}

// bygone returns the priority of a delta that was dropped.
func (m *Map) bygone(id string) (priority uint64, ok bool, err error) {
	if !m.history.begun.Load() {
		return 0, false, nil
	}
	key, err := bygoneName(id)
	if err != nil { // no merged delta has such an ID
		return 0, false, nil
	}
	return m.priorityOf(key)
}

// eachBygone calls f for the names of the deltas that were dropped.
func (m *Map) eachBygone(f func(id string, priority uint64) error) error {
	if !m.history.begun.Load() {
		return nil
	}
	return m.scan(bygoneKey.String(), "", false, func(e query.Entry) error {
		id, err := bygoneID(e.Key)
		if err != nil {
			return err
		}
		priority, err := uvarint(e.Value)
		if err != nil {
			return fmt.Errorf("priority of delta %s: %w", id, err)
		}
		return f(id, priority)
	})
}

// loadCompacted reads whether anything was dropped.
func (m *Map) loadCompacted() error {
	b, err := m.cfg.Store.Get(m.ctx, compactedKey)
	if errors.Is(err, ds.ErrNotFound) {
		return nil
	}
	var done compactedDeltas
	if err == nil {
		err = json.Unmarshal(b, &done)
	}
	if err != nil {
		return fmt.Errorf("load path map: what was compacted: %w", err)
	}
	m.history.begun.Store(true)
	m.history.mu.Lock()
	defer m.history.mu.Unlock()
	m.history.done = done
	return nil
}

func (m *Map) beforeNames(ctx context.Context) error {
	if m.cfg.BeforeNames == nil {
		return nil
	}
	return m.cfg.BeforeNames(ctx)
}
