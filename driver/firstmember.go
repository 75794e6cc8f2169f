package driver

import (
	"context"
	"slices"
	"time"

	libpeer "github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer"
)

// awaitMember waits until the first trusted member since the start has named its heads.
func (r *rooms) awaitMember(ctx context.Context, until time.Time) {
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	select {
	case <-r.paths.Met():
	case <-ctx.Done():
	}
}

func (r *rooms) meetsMembers() bool { return slices.ContainsFunc(r.peer.Connected(), r.peer.Trusts) }

// joinsOthers reports whether this registry is configured to join a swarm.
func (r *rooms) joinsOthers() bool {
	return slices.ContainsFunc(r.params.Bootstrappers, func(addr string) bool {
		info, err := libpeer.AddrInfoFromString(addr)
		return err == nil && info.ID != r.self
	})
}

// trustsOthers reports whether the changes of any other peer count here.
func (r *rooms) trustsOthers() bool {
	ids, err := r.params.trusted()
	return err == nil && (ids == nil || slices.ContainsFunc(ids, func(id libpeer.ID) bool { return id != r.self }))
}

// remembersOthers reports whether this registry was in a swarm before, or is now.
func (r *rooms) remembersOthers() bool {
	return slices.ContainsFunc(r.peer.Members(), func(m peer.Member) bool { return r.peer.Trusts(m.ID) })
}
