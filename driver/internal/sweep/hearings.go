package sweep

import (
	"context"
	"maps"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/lease"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// heardAtOnce bounds the members that are asked at the same time.
const heardAtOnce = 16

// Hearings hears the members to the end, and remembers in this run what it heard. It is safe
// for concurrent use.
type Hearings struct {
	paths *pathmap.Map
	self  string
	who   Who
	clock *Clock

	mu     sync.Mutex
	heard  map[string]lease.Hearing
	failed map[string]error // the last time
}

// Who is whom Hearings hears, and how.
type Who struct {
	Members   func() []string                                                // trusted, connected or not, and not forgotten, by peer ID
	Forgotten func() (map[string]uint64, error)                              // writers that are not to be waited for, each up to a counter
	Ask       func(ctx context.Context, member string, counter uint64) error // the map's Hear
}

// NewHearings makes one for the registry with that peer ID.
func NewHearings(paths *pathmap.Map, self string, who Who, clock *Clock) *Hearings {
	return &Hearings{
		paths: paths, self: self, who: who, clock: clock,
		heard: map[string]lease.Hearing{}, failed: map[string]error{},
	}
}

// Known gives the peer IDs of all whom a collection has to hear, this registry among them.
func (h *Hearings) Known() ([]string, error) {
	forgotten, err := h.who.Forgotten()
	if err != nil {
		return nil, err
	}
	return lease.Known(h.self, h.who.Members(), h.paths.Writers(), forgotten), nil
}

// strangers are those of known that are no members.
func (h *Hearings) strangers() (ids []string, err error) {
	known, err := h.Known()
	if err != nil {
		return nil, err
	}
	members := append(h.who.Members(), h.self)
	return slices.DeleteFunc(known, func(id string) bool { return slices.Contains(members, id) }), nil
}

// Hear asks all of known to let their versions up to a counter lapse, and merges what they
// name. Those that cannot be heard now are left out; Why says why.
func (h *Hearings) Hear(ctx context.Context, known []string, counter uint64) {
	var g errgroup.Group
	g.SetLimit(heardAtOnce)
	for _, id := range known {
		g.Go(func() error {
			asked := h.clock.Now()
			h.note(id, lease.Hearing{Asked: asked, Counter: counter}, h.hear(ctx, id, counter))
			return nil
		})
	}
	_ = g.Wait()
}

func (h *Hearings) hear(ctx context.Context, id string, counter uint64) error {
	if id == h.self {
		return h.paths.Lapse(ctx, counter)
	}
	return h.who.Ask(ctx, id, counter)
}

// note keeps what was heard. What lapsed once has lapsed for the rest of the member's run, but
// a later moment with a smaller counter would hide that.
func (h *Hearings) note(id string, heard lease.Hearing, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err != nil {
		h.failed[id] = err
		return
	}
	delete(h.failed, id)
	heard.Counter = max(heard.Counter, h.heard[id].Counter)
	h.heard[id] = heard
}

// Heard gives what was heard of each in this run.
func (h *Hearings) Heard() map[string]lease.Hearing {
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Clone(h.heard)
}

// missing are those that could not be heard the last time.
func (h *Hearings) missing(known []string) (ids []string) {
	for _, id := range known {
		if h.Why(id) != nil {
			ids = append(ids, id)
		}
	}
	return ids
}

// Why is the reason for which one was not heard the last time; nil when it was.
func (h *Hearings) Why(id string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.failed[id]
}
