package transfer

import (
	"sync"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/schedule"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/wire"
)

// relays is the trees by which leaves are passed on. It is safe for concurrent use.
type relays struct {
	mu    sync.Mutex
	trees *schedule.Trees
}

func (r *relays) enter(root cid.Cid, first, last int, id peer.ID, rather bool) (above []peer.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.trees.Enter(time.Now(), root, first, last, id, rather)
}

// relayed notes which member gets which leaves of a blob. The error names those that have
// the first of them earlier, if there are any and the asking member prefers to be relayed.
func (t *Transfers) relayed(q *wire.BlobRequest, size int64) error {
	if !q.Ranged || q.Peer == "" {
		return nil
	}
	first := dag.LeafAt(q.From)
	last := min(dag.LeafAt(min(q.To, size-1)), first+schedule.MaxRun-1)
	if above := t.relays.enter(q.CID, first, last, q.Peer, q.Relay); len(above) > 0 {
		return &wire.RelayedError{IDs: above}
	}
	return nil
}
