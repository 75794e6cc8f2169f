package pathmap

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/sync/errgroup"
)

// stretch is a part of the history that is to be compacted: what had been merged here at one moment, up
// to a priority. It is stable when all known members have merged the heads of that moment: then each has
// all that leads to these, on its disk, and none asks for it again.
type stretch struct {
	heads []cid.Cid
	upTo  uint64 // priority
	begun time.Time

	mu    sync.Mutex
	heard map[string]bool     // members that have merged the heads
	late  map[string]struct{} // IDs of deltas up to that priority that were merged since: those of a member that was away for long
	void  bool                // there were too many
}

const (
	maxLate   = 1 << 16          // such deltas; more, and the stretch begins anew
	askedAt   = 16               // members asked at once whether they have merged the heads
	askWithin = 30 * time.Second // each
)

// newStretch begins one; nil: there is nothing that it would hold.
func (m *Map) newStretch(keep uint64) (*stretch, error) {
	m.lock.Lock()
	defer m.lock.Unlock()
	if err := m.mend(); err != nil {
		return nil, err
	}
	s := &stretch{heads: slices.Clone(m.Heads()), begun: time.Now(), heard: map[string]bool{}, late: map[string]struct{}{}}
	for _, h := range s.heads {
		priority, _, err := m.known(h)
		if err != nil {
			return nil, err
		}
		s.upTo = max(s.upTo, priority)
	}
	if s.upTo <= keep {
		return nil, nil
	}
	s.upTo -= keep
	m.history.now.Store(s)
	return s, nil
}

// merged notes a delta that is merged: it belongs to no stretch that was begun before. It is called
// inside the transaction; m.lock is held.
func (h *history) merged(id string, priority uint64) {
	h.kept.Add(1)
	s := h.now.Load()
	if s == nil || priority > s.upTo {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.void = s.void || len(s.late) >= maxLate; !s.void {
		s.late[id] = struct{}{}
	}
}

func (s *stretch) isVoid() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.void
}

// isLate reports whether a delta does not belong to it.
func (s *stretch) isLate(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, late := s.late[id]
	return late || s.void
}

// unheard are those of some that have not said that they merged the heads.
func (s *stretch) unheard(known []string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(known), func(id string) bool { return s.heard[id] })
}

// ask asks those members that are connected, and have not said it yet, whether they have merged the
// heads. What one has said holds for this stretch.
func (m *Map) ask(ctx context.Context, s *stretch, known []string) {
	if m.cfg.Swarm == nil {
		return
	}
	here := m.cfg.Swarm.Connected()
	var g errgroup.Group
	g.SetLimit(askedAt)
	for _, name := range s.unheard(known) {
		i := slices.IndexFunc(here, func(id peer.ID) bool { return id.String() == name })
		if i < 0 {
			continue
		}
		g.Go(func() error {
			ctx, cancel := context.WithTimeout(ctx, askWithin)
			defer cancel()
			merged, err := m.HasMerged(ctx, here[i], s.heads)
			if err != nil {
				m.log.WithField("peer", name).WithError(err).Debug("whether a member has merged a part of the history is not known")
			}
			if merged {
				s.mu.Lock()
				s.heard[name] = true
				s.mu.Unlock()
			}
			return nil
		})
	}
	_ = g.Wait()
}
