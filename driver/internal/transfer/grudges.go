package transfer

import (
	"maps"
	"sync"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
)

// grudges remembers for a while who sent wrong bytes of which blob. It is one
// blob of a holder that is bad, a damaged file perhaps: not the holder.
type grudges struct {
	lasts time.Duration
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
