package engine

import (
	"context"
	"slices"
	"time"

	libpeer "github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer"
)

// awaitMember waits until the first trusted member since the start has named its heads.
func (e *Engine) awaitMember(ctx context.Context, until time.Time) {
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	select {
	case <-e.Paths.Met():
	case <-ctx.Done():
	}
}

func (e *Engine) meetsMembers() bool { return slices.ContainsFunc(e.Peer.Connected(), e.Peer.Trusts) }

// joinsOthers reports whether this registry is configured to join a swarm.
func (e *Engine) joinsOthers() bool {
	return slices.ContainsFunc(e.cfg.Bootstrappers, func(addr string) bool {
		info, err := libpeer.AddrInfoFromString(addr)
		return err != nil || info.ID != e.self // one without an ID may lead to others
	})
}

// leadsToItself reports whether this registry is configured to join others, and all that its
// bootstrappers lead to is this registry: it is the first.
func (e *Engine) leadsToItself() bool {
	seeds, others := e.Peer.Seeds(), e.Peer.Bootstrappers() // which leave such seeds out
	return len(seeds) > 0 && len(others) == 0 && !slices.ContainsFunc(seeds, func(s peer.Seed) bool { return !s.Sole })
}

// trustsOthers reports whether the changes of any other peer count here.
func (e *Engine) trustsOthers() bool { return e.Peer.TrustsOthers() }

// remembersOthers reports whether this registry was in a swarm before, or is now.
func (e *Engine) remembersOthers() bool {
	return slices.ContainsFunc(e.Peer.Members(), func(m peer.Member) bool { return e.Peer.Trusts(m.ID) })
}
