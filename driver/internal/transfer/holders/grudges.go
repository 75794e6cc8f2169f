package holders

import (
	"maps"
	"sync"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
)

// maxGrudges is how many are remembered. When there are more, any one is forgotten.
const maxGrudges = 16384

// grudges remembers something for a while of a member and a blob: that it sent wrong bytes of the
// blob, or that it has proved to hold it.
type grudges struct {
	lasts time.Duration // for which a grudge lasts
	mu    sync.Mutex
	since map[grudge]time.Time
	swept time.Time
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
	if time.Since(g.swept) > g.lasts/16 { // not each time: somebody may lie about very many blobs
		g.swept = time.Now()
		maps.DeleteFunc(g.since, func(_ grudge, at time.Time) bool { return time.Since(at) > g.lasts })
	}
	for other := range g.since {
		if len(g.since) < maxGrudges {
			break
		}
		delete(g.since, other)
	}
	g.since[grudge{id, c}] = time.Now()
}

func (g *grudges) holds(id peer.ID, c cid.Cid) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	at, ok := g.since[grudge{id, c}]
	return ok && time.Since(at) <= g.lasts
}
