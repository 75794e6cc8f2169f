package holders

import (
	"maps"
	"sync"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
)

// grudges remembers for a while which holder sent wrong bytes of which blob. The holder is
// avoided for that blob only, since probably just one of its files is damaged.
type grudges struct {
	lasts time.Duration // for which a grudge lasts
	mu    sync.Mutex
	since map[grudge]time.Time
}

type grudge struct {
	id peer.ID
	c  cid.Cid
}

func newGrudges(lasts time.Duration) *grudges {
	return &grudges{lasts: lasts, since: map[grudge]time.Time{}}
}

func (g *grudges) add(id peer.ID, c cid.Cid) {
	g.mu.Lock()
	defer g.mu.Unlock()
	maps.DeleteFunc(g.since, func(_ grudge, at time.Time) bool { return time.Since(at) > g.lasts })
	g.since[grudge{id, c}] = time.Now()
}

func (g *grudges) holds(id peer.ID, c cid.Cid) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	at, ok := g.since[grudge{id, c}]
	return ok && time.Since(at) <= g.lasts
}
