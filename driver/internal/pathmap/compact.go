package pathmap

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ipfs/go-datastore/query"
)

// KeptDeltas is how much of the history stays behind what all known members have merged, by priority:
// for the log of changes, and for members that lack a little.
const KeptDeltas = 10_000

// CompactEvery is how often a registry looks whether there is something to compact.
const CompactEvery = time.Minute

// Compaction says when the history is compacted.
type Compaction struct {
	// Known gives the peer IDs of those who have to have merged what is dropped: all trusted registries
	// that were members or wrote to the map, and are not forgotten. This one may be among them.
	Known func() ([]string, error)

	// Held says why nothing may be dropped now, and nothing new is begun; "": it may. It may be nil.
	Held func() string

	Keep  int           // deltas, by priority, that stay; 0: KeptDeltas
	Every time.Duration // between two looks; 0: CompactEvery
}

// History is how much of the history is here.
type History struct {
	Kept      int       // deltas that are on disk
	Compacted int       // deltas that were dropped: of them this registry knows the names
	At        time.Time // when the last of these were
	Waits     []string  // peer IDs of those who are not known to have merged what would go next, for whom it is kept
	Since     time.Time // since when Waits are waited for
	Held      string    // why nothing is dropped now, besides; "": nothing is in the way
}

// history is what is known of that. It is ready to use.
type history struct {
	begun atomic.Bool             // something was dropped, or may have been
	now   atomic.Pointer[stretch] // what is to go next
	kept  atomic.Int64

	mu    sync.Mutex
	done  compactedDeltas
	waits []string
	held  string

	counted bool // kept is right, but for what came since; of the goroutine that compacts
}

// History tells how much of the history is here.
func (m *Map) History() History {
	h := &m.history
	h.mu.Lock()
	defer h.mu.Unlock()
	out := History{Kept: int(h.kept.Load()), Compacted: h.done.Deltas, At: h.done.At, Waits: slices.Clone(h.waits), Held: h.held}
	if s := h.now.Load(); s != nil && len(h.waits) > 0 {
		out.Since = s.begun
	}
	return out
}

// StartCompacting has this map drop what is stable of its history, and what is left of states, in the background,
// until Close. It may be called once.
func (m *Map) StartCompacting(c Compaction) {
	c.Keep, c.Every = cmp.Or(c.Keep, KeptDeltas), cmp.Or(c.Every, CompactEvery)
	m.run(func() {
		look := time.NewTicker(c.Every)
		defer look.Stop()
		for {
			if m.behindCut.Load() != nil { // what a failure left
				m.absorb()
			}
			if err := m.compact(m.ctx, c); err != nil && m.ctx.Err() == nil {
				m.log.WithError(err).Debug("the history is compacted later")
			}
			select {
			case <-look.C:
			case <-m.ctx.Done():
				return
			}
		}
	})
}

// compact drops what can be dropped now.
func (m *Map) compact(ctx context.Context, c Compaction) error {
	if err := m.countKept(); err != nil {
		return err
	}
	s := m.history.now.Load()
	if s == nil || s.isVoid() {
		var err error
		if s, err = m.beginStretch(c); err != nil || s == nil {
			return err
		}
	}
	if held := m.held(c); held != "" {
		m.noteWaits(nil, held)
		return nil
	}
	known, err := c.Known()
	if err != nil {
		return err
	}
	known = slices.DeleteFunc(known, func(id string) bool { return id == m.cfg.Self })
	m.ask(ctx, s, known)
	waits := s.unheard(known)
	if m.noteWaits(waits, ""); len(waits) > 0 {
		return nil
	}
	if err = m.written.keepWriters(m); err == nil {
		err = m.beforeNames(ctx)
	}
	if err == nil {
		err = m.dropStretch(ctx, s, c)
	}
	m.history.counted = false
	if err == nil {
		m.history.now.Store(nil)
	}
	return err
}

// beginStretch begins one when there is enough to drop that it is worth asking everybody.
func (m *Map) beginStretch(c Compaction) (*stretch, error) {
	m.history.now.Store(nil)
	m.noteWaits(nil, "")
	if int(m.history.kept.Load()) <= c.Keep+c.Keep/4 {
		return nil, nil
	}
	return m.newStretch(uint64(c.Keep))
}

func (m *Map) noteWaits(waits []string, held string) {
	m.history.mu.Lock()
	defer m.history.mu.Unlock()
	m.history.waits, m.history.held = waits, held
}

// held is why nothing can be dropped now; "": it can. Whatever is dropped, newcomers are to get by a
// state.
func (m *Map) held(c Compaction) string {
	_, taking := m.Taking()
	obstacle := m.obstructed()
	switch {
	case obstacle != nil:
		return obstacle.Error()
	case !m.ordered.Load():
		return ErrNotInOrder.Error()
	case m.isPart() || taking:
		return "it is joining"
	case c.Held != nil:
		return c.Held()
	}
	return ""
}

// keepWriters writes down who wrote to this map, if it has merged nothing that would have: without that
// the next start would read it from the history.
func (w *written) keepWriters(m *Map) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stored {
		return nil
	}
	err := w.store(m)
	w.stored = err == nil
	return err
}

// countKept counts the deltas on disk, after the start and after each stretch that was dropped: in
// between they are counted as they come. How many were dropped is read again, too: a step that failed
// may be on disk.
func (m *Map) countKept() error {
	if m.history.counted {
		return nil
	}
	if err := m.loadCompacted(); err != nil {
		return err
	}
	n := 0
	err := m.scan(orderKey.String(), "", true, func(query.Entry) error { n++; return nil })
	if err != nil {
		return err
	}
	m.history.kept.Store(int64(n))
	m.history.counted = true
	return nil
}
