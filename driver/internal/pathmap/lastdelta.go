package pathmap

import (
	"sync"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
)

// lastDeltas remembers when a delta of each writer was last merged here. What a delta adds
// names the delta's writer. What it deletes names the writer of the deleted version, so a
// delta that only deletes is counted as its announcer's: a registry announces only its own
// deltas.
type lastDeltas struct {
	mu        sync.Mutex
	when      map[string]time.Time
	announced map[peer.ID]cid.Cid // each writer's newest that is not merged
}

func (l *lastDeltas) note(writer string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.noteLocked(writer)
}

func (l *lastDeltas) noteLocked(writer string) {
	if l.when == nil {
		l.when = map[string]time.Time{}
	}
	l.when[writer] = time.Now()
}

func (l *lastDeltas) expect(writer peer.ID, delta cid.Cid) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.announced == nil {
		l.announced = map[peer.ID]cid.Cid{}
	}
	l.announced[writer] = delta
}

// merged notes which member announced a delta, if any did.
func (l *lastDeltas) merged(delta cid.Cid) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for writer, c := range l.announced {
		if c == delta {
			delete(l.announced, writer)
			l.noteLocked(writer.String())
		}
	}
}

// expect remembers who wrote a delta that was announced. An exchange may have brought it
// already.
func (m *Map) expect(writer peer.ID, delta cid.Cid) {
	m.last.expect(writer, delta)
	if _, ok, err := m.known(delta); err == nil && ok {
		m.last.merged(delta)
	} else {
		m.lagging.lacks(writer, time.Now())
	}
}

// LastDelta returns when this run last merged a change by a peer. A delete that was not
// announced is not counted.
func (m *Map) LastDelta(writer string) (time.Time, bool) {
	m.last.mu.Lock()
	defer m.last.mu.Unlock()
	t, ok := m.last.when[writer]
	return t, ok
}
