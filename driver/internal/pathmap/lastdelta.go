package pathmap

import (
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
)

// lastDeltas remembers when a delta of each writer was last merged here. What a delta adds
// names the delta's writer. What it deletes names the writer of the deleted version, so a
// delta that only deletes is counted as its announcer's: a registry announces only its own
// deltas.
type lastDeltas struct {
	mu        sync.Mutex
	removals  *lru.Cache[cid.Cid, Heard]
	when      map[string]time.Time
	announced map[peer.ID]cid.Cid // each writer's newest that is not merged
}

// maxHeard is of how many deltas that only remove it is remembered who wrote them.
const maxHeard = 1000

// Heard is who wrote a delta that only removes, and when this registry merged it: the history says
// neither.
type Heard struct {
	From string    // peer ID; "": nobody announced it
	At   time.Time // by this registry's clock
}

// removed notes a delta that only removes.
func (l *lastDeltas) removed(delta cid.Cid, from string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.removals == nil {
		l.removals, _ = lru.New[cid.Cid, Heard](maxHeard) // it fails only when the size is not positive
	}
	l.removals.ContainsOrAdd(delta, Heard{from, time.Now()})
}

// heardOf is what is known of a delta that only removes; nil: nothing.
func (l *lastDeltas) heardOf(delta cid.Cid) *Heard {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.removals == nil {
		return nil
	}
	if h, ok := l.removals.Peek(delta); ok {
		return &h
	}
	return nil
}

// wroteIt notes who announced a delta that only removes. l.mu is held.
func (l *lastDeltas) wroteIt(writer string, delta cid.Cid) {
	if l.removals == nil {
		return
	}
	if h, ok := l.removals.Peek(delta); ok && h.From == "" {
		h.From = writer
		l.removals.Add(delta, h)
	}
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
			l.wroteIt(writer.String(), delta)
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
