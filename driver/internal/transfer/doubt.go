package transfer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/time/rate"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/wire"
)

const (
	// doubtEvery and doubtBurst bound how many doubts of one member are checked. Each costs
	// reading and hashing a leaf, so a member that lies costs at most one leaf every
	// doubtEvery.
	doubtEvery = 5 * time.Second
	doubtBurst = 16
	// maxDoubts is how many doubts may wait to be checked; further ones are dropped, and
	// come again with the next transfer.
	maxDoubts = 64
	// maxDoubters is how many members are remembered, far more than a swarm has.
	maxDoubters = 4096
)

// wrongLeaf is a wire.ErrLied that names the leaf.
type wrongLeaf struct {
	leaf int
	err  error
}

func (e *wrongLeaf) Error() string   { return fmt.Sprintf("%s: %s", wire.ErrLied, e.err) }
func (e *wrongLeaf) Unwrap() []error { return []error{wire.ErrLied, e.err} }

// tellHolder asks a holder to check a leaf for which it sent wrong bytes.
func (t *Transfers) tellHolder(id peer.ID, root cid.Cid, leaf int) {
	if !t.hold() {
		return
	}
	go func() {
		defer t.wg.Done()
		ctx, cancel := context.WithTimeoutCause(t.ctx, t.timing.ask, wire.ErrSilent)
		defer cancel()
		if err := t.client.Doubt(ctx, id, root, leaf); err != nil {
			t.log.WithError(err).WithField("cid", root).Debug("a holder does not take that its copy is damaged")
		}
	}()
}

// suspect is a leaf of a blob that a member doubts.
type suspect struct {
	root cid.Cid
	leaf int
}

// doubts are leaves that members found wrong when this registry sent them. They are checked
// one at a time, and each blob once, however many members doubt it.
type doubts struct {
	mu      sync.Mutex
	from    map[peer.ID]*rate.Limiter
	waiting map[cid.Cid]bool
	queue   chan suspect
}

func newDoubts() *doubts {
	return &doubts{from: map[peer.ID]*rate.Limiter{}, waiting: map[cid.Cid]bool{}, queue: make(chan suspect, maxDoubts)}
}

// take queues a doubt; false when its member had too many, or too many are queued.
func (d *doubts) take(from peer.ID, at suspect) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.waiting[at.root] {
		return true
	}
	limit := d.from[from]
	if limit == nil {
		if len(d.from) >= maxDoubters {
			clear(d.from)
		}
		limit = rate.NewLimiter(rate.Every(doubtEvery), doubtBurst)
		d.from[from] = limit
	}
	if !limit.Allow() {
		return false
	}
	select {
	case d.queue <- at:
		d.waiting[at.root] = true
		return true
	default:
		return false
	}
}

func (d *doubts) done(at suspect) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.waiting, at.root)
}

// serveDoubt notes that a member doubts a leaf of a blob here, without checking it yet.
func (t *Transfers) serveDoubt(from peer.ID, root cid.Cid, leaf int) error {
	size, err := t.cfg.Blobs.Size(root)
	if m, ok := t.cfg.Blobs.Remains(root); ok && err != nil {
		size, err = m.Size, nil
	}
	if err != nil {
		return gone(err)
	}
	if leaf >= dag.LeavesOf(size) {
		return wire.ErrNoLeaf
	}
	if !t.doubts.take(from, suspect{root, leaf}) {
		return wire.ErrTooMany
	}
	return nil
}

// weighDoubts checks the leaves that members doubt. When a doubt is right, the blob is set
// aside, all of it is hashed, and its damaged leaves are fetched anew. A leaf that has rotted
// since is not offered any more.
func (t *Transfers) weighDoubts() {
	for {
		select {
		case at := <-t.doubts.queue:
			err := t.cfg.Blobs.CheckLeaf(t.ctx, at.root, at.leaf)
			log := t.log.WithField("cid", at.root).WithField("leaf", at.leaf)
			switch {
			case err == nil:
				log.Debug("a member doubts a leaf that is right here")
			case !errors.Is(err, blob.ErrRotten):
				log.WithError(err).Debug("a leaf that a member doubts cannot be looked at")
			}
			t.doubts.done(at)
		case <-t.ctx.Done():
			return
		}
	}
}
