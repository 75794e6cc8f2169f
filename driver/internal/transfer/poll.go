package transfer

import (
	"context"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/wire"
)

// keepPolling asks the other registries that fetch the blob which leaves they have by now,
// more often while a worker has nothing to do.
func (j *job) keepPolling() {
	for {
		pause := j.t.timing.poll
		if j.idlers.Load() > 0 {
			pause /= 3
		}
		select {
		case <-time.After(jitter(pause)):
		case <-j.ctx.Done():
			return
		}
		var wg sync.WaitGroup
		for _, id := range j.roster.fetchers(maxPolled) {
			wg.Go(func() { j.poll(id) })
		}
		wg.Wait()
	}
}

func (j *job) poll(id peer.ID) {
	ctx, cancel := context.WithTimeoutCause(j.ctx, j.t.timing.ask, wire.ErrSilent)
	defer cancel()
	have, err := j.t.client.Have(ctx, id, j.ref)
	if j.ctx.Err() != nil {
		return
	}
	if err != nil {
		j.log.WithError(err).WithField("peer", id).Debug("who fetches it, too, does not say what it has")
	}
	j.roster.heard(id, leavesOf(j.ref.Size), have, err)
	j.changed.raise()
}

// meet notes that a member is fetching the blob, too.
func (j *job) meet(id peer.ID) {
	if j.t.grudges.holds(id, j.ref.CID) {
		return
	}
	for _, member := range j.t.cfg.Swarm.Connected() {
		if member == id {
			j.roster.meet(id)
			j.changed.raise()
			return
		}
	}
}
