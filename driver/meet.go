package driver

import (
	"context"
	"slices"
	"time"

	libpeer "github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer"
)

// meetFirst waits until a member has named what it has, once after the start: before
// that nobody is connected, and what the others were pushed while this registry was
// away looks like nothing. The wait ends `synctimeout` after the start, for all. A
// registry that knows of no others does not wait.
func (r *rooms) meetFirst(ctx context.Context) {
	if r.peer == nil || !time.Now().Before(r.meetUntil) || !r.joinsOthers() && !r.remembersOthers() {
		return
	}
	r.awaitMember(ctx, r.meetUntil)
}

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

// joinsOthers says whether this registry is configured to join a swarm.
func (r *rooms) joinsOthers() bool {
	return slices.ContainsFunc(r.params.Bootstrappers, func(addr string) bool {
		info, err := libpeer.AddrInfoFromString(addr)
		return err == nil && info.ID != r.self
	})
}

// remembersOthers says whether this registry was in a swarm before, or is now.
func (r *rooms) remembersOthers() bool {
	return slices.ContainsFunc(r.peer.Members(), func(m peer.Member) bool { return r.peer.Trusts(m.ID) })
}
