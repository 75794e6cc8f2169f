package pathmap

import (
	"errors"
	"fmt"
	"maps"
	"sync"

	"github.com/ipfs/go-cid"
	"github.com/ipfs/go-datastore/query"
	"github.com/libp2p/go-libp2p/core/peer"
)

// cut is a map at one moment, which is being given to a member: what readers see, and the names of
// all deltas that are merged. Names are read from disk meanwhile; those that are merged after the
// cut are left out.
type cut struct {
	view    *snapshot
	heads   []cid.Cid
	counter uint64
	written map[string]uint64
	earlier uint64
	behind  *namesBehind // of states that had become a part of the map

	mu      sync.Mutex
	later   map[string]bool // IDs of deltas that were merged since
	tooMany bool
}

const (
	maxGiven     = 4       // states that are given at once
	maxStrangers = 1       // of these, to members that are not trusted
	maxLater     = 1 << 20 // deltas that may be merged while one is given
)

// cuts are those that are open. It is ready to use.
type cuts struct {
	mu sync.Mutex
	of map[peer.ID]*cut
}

var (
	// errGivesNone reports that a member gives no state of its map: its history has to be read.
	errGivesNone = errors.New("it gives no state of its map")
	// errGivesOthers reports that a member gives its state to others now.
	errGivesOthers = errors.New("it gives its state to others: ask again")
)

// merged notes a delta in all cuts that are open. It is called inside the transaction, so that no
// cut is made between; m.lock is held.
func (c *cuts) merged(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, o := range c.of {
		o.mu.Lock()
		if o.tooMany = o.tooMany || len(o.later) >= maxLater; !o.tooMany {
			o.later[id] = true
		}
		o.mu.Unlock()
	}
}

// strangers counts those for members that are not trusted; c.mu is held.
func (c *cuts) strangers(swarm Swarm) (n int) {
	for id := range c.of {
		if !swarm.Trusts(id) {
			n++
		}
	}
	return n
}

// madeBefore reports whether a cut is open that was made before a delta was merged, as far as is known:
// what that delta deleted is alive in it.
func (c *cuts) madeBefore(id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, o := range c.of {
		if later, err := o.isLater(id); later || err != nil {
			return true
		}
	}
	return false
}

func (c *cut) isLater(id string) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tooMany {
		return false, fmt.Errorf("%w in time: more than %d changes came meanwhile", errGivesNone, maxLater)
	}
	return c.later[id], nil
}

// openCut makes a cut for a member. It is the caller's to close.
func (m *Map) openCut(id peer.ID) (*cut, error) {
	m.lock.Lock()
	defer m.lock.Unlock()
	if err := m.mend(); err != nil {
		return nil, fmt.Errorf("%w now: %w", errGivesNone, err)
	}
	if !m.givesState() {
		return nil, errGivesNone
	}
	m.cuts.mu.Lock()
	defer m.cuts.mu.Unlock()
	if m.cuts.of[id] != nil || len(m.cuts.of) >= maxGiven || !m.cfg.Swarm.Trusts(id) && m.cuts.strangers(m.cfg.Swarm) >= maxStrangers {
		return nil, errGivesOthers
	}
	c := &cut{view: m.current.Load(), heads: m.Heads(), counter: m.counter, behind: m.behindCut.Load(), later: map[string]bool{}}
	m.written.mu.Lock()
	c.written, c.earlier = maps.Clone(m.written.merged), m.written.earlier
	m.written.mu.Unlock()
	c.written[m.cfg.Self] = max(c.written[m.cfg.Self], m.incarnation.greatest()) // before it lost its disk it may have written more
	if m.cuts.of == nil {
		m.cuts.of = map[peer.ID]*cut{}
	}
	m.cuts.of[id] = c
	return c, nil
}

func (m *Map) closeCut(id peer.ID) {
	m.cuts.mu.Lock()
	defer m.cuts.mu.Unlock()
	delete(m.cuts.of, id)
	if m.behindCut.Load() != nil { // perhaps it was held up by this one
		m.run(m.absorb)
	}
}

// From how much on a member that has nothing is offered the state. Less is read as fast as history,
// which lets it show what was before, and hand it on.
const (
	stateDeltas = 1000 // by the greatest priority
	statePaths  = 10_000
)

// givesState reports whether this map offers its state: it was whole at some time, and is large.
func (m *Map) givesState() bool {
	if m.isPart() || len(m.Heads()) > maxHeads || m.obstructed() != nil {
		return false
	}
	if m.lacksHistory() {
		return true
	}
	deltas, paths := m.cfg.StateDeltas, statePaths
	if deltas == 0 {
		deltas = stateDeltas
	} else {
		paths = deltas
	}
	return m.crdt.Load().InternalStats(m.ctx).MaxHeight >= uint64(deltas) || m.View().Len() >= paths
}

// lacksHistory reports whether the history that is here does not begin at the beginning.
func (m *Map) lacksHistory() bool { return m.behindCut.Load() != nil || m.history.begun.Load() }

// eachNameAt calls f for the names of all deltas that were merged at the cut. One that is dropped from
// the history meanwhile it may tell twice, but it misses none: names only ever move to where is looked
// last.
func (m *Map) eachNameAt(c *cut, f func(id string, priority uint64) error) error {
	under := append([]string{knownKey.String()}, c.behind.under()...)
	tell := func(id string, priority uint64, before []string) error {
		later, err := c.isLater(id)
		if err != nil || later {
			return err
		}
		for _, under := range before { // such as a head of a cut
			if _, twice, err := m.priorityOf(dsKey(under + id)); err != nil || twice {
				return err
			}
		}
		return f(id, priority)
	}
	for i, prefix := range under {
		err := m.scan(prefix, "", false, func(e query.Entry) error {
			id := e.Key[len(prefix):]
			priority, err := uvarint(e.Value)
			if err != nil {
				return fmt.Errorf("priority of delta %s: %w", id, err)
			}
			return tell(id, priority, under[:i])
		})
		if err != nil {
			return err
		}
	}
	return m.eachBygone(func(id string, priority uint64) error { return tell(id, priority, under) })
}
