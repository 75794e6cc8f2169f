package pathmap

import (
	"encoding/binary"
	"errors"
	"fmt"

	ds "github.com/ipfs/go-datastore"
	"google.golang.org/protobuf/encoding/protowire"
)

// Of two versions of a path the one with the greater Lamport counter wins. A registry that
// lacks a part of the history would write with a counter below those it has not merged, and
// its push, the last of all, would lose. So members tell each other, with their heads, the
// greatest counter that they have seen, and each writes with a greater one than it was told.

// maxTold is how far a counter told by a member may be beyond those merged here. It is half
// of what a delta may jump, so that no registry refuses a write above it.
const maxTold = maxJump / 2

// announcedCounter is the field of an announcement that carries the counter, beyond those
// of go-ds-crdt's message: a release that does not know it skips it.
const announcedCounter protowire.Number = 1000

// greatest is the greatest counter that this map knows of, merged or told.
func (m *Map) greatest() uint64 { return max(m.merged.Load(), m.told.Load()) }

// hearCounter takes the greatest counter that a trusted member has seen. A counter that is
// too far off is not believed, because it would use up the counters.
func (m *Map) hearCounter(counter uint64) (believed bool) {
	if counter > maxCounter || counter > m.merged.Load()+maxTold {
		return false
	}
	for {
		old := m.told.Load()
		if counter <= old || m.told.CompareAndSwap(old, counter) {
			return true
		}
	}
}

// nextCounter is the counter of a new version; lock is held.
func (m *Map) nextCounter() (uint64, error) {
	greatest := max(m.counter, m.told.Load())
	if greatest >= maxCounter {
		return 0, fmt.Errorf("%w: no version is left above %d", errUnacceptable, greatest)
	}
	m.counter = greatest + 1
	return m.counter, nil
}

// saveCounter stores the Lamport counter inside the transaction, so that no
// version is used twice.
func (m *Map) saveCounter() error {
	return m.ledger.Put(m.ctx, counterKey, binary.AppendUvarint(nil, m.counter))
}

func (m *Map) loadCounter() error {
	b, err := m.ledger.Get(m.ctx, counterKey)
	if err != nil && !errors.Is(err, ds.ErrNotFound) {
		return fmt.Errorf("load path map: %w", err)
	}
	counter, _ := binary.Uvarint(b)
	m.counter = max(m.counter, counter)
	return nil
}

// withCounter adds the counter to an announcement.
func withCounter(payload []byte, counter uint64) []byte {
	payload = protowire.AppendTag(payload, announcedCounter, protowire.VarintType)
	return protowire.AppendVarint(payload, counter)
}

// counterOf reads the counter of an announcement; false where it carries none. The
// payload was decoded before.
func counterOf(payload []byte) (counter uint64, ok bool) {
	for len(payload) > 0 {
		num, typ, n := protowire.ConsumeTag(payload)
		if n < 0 {
			return 0, false
		}
		payload = payload[n:]
		if num == announcedCounter && typ == protowire.VarintType {
			counter, n = protowire.ConsumeVarint(payload)
			return counter, n > 0
		}
		if n = protowire.ConsumeFieldValue(num, typ, payload); n < 0 {
			return 0, false
		}
		payload = payload[n:]
	}
	return 0, false
}
