package doubts

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/sirupsen/logrus"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/wire"
)

// Config is what Doubts are made of.
type Config struct {
	Blobs    *blob.Store
	Client   *wire.Client
	Patience time.Duration // for a holder to answer that is told of a doubt
	Log      *logrus.Entry
}

// Doubts takes the doubts of members, and tells members ours. It is safe for concurrent use.
type Doubts struct {
	cfg    Config
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	queue  *queue

	mu sync.Mutex // held while wg grows
}

// New starts to check the leaves that members doubt. It does so until ctx ends or Close.
func New(ctx context.Context, cfg Config) *Doubts {
	d := &Doubts{cfg: cfg, queue: newQueue()}
	d.ctx, d.cancel = context.WithCancel(ctx)
	d.wg.Go(d.weigh)
	return d
}

// Close ends what is under way, and waits until it has ended. It may be called again.
func (d *Doubts) Close() {
	d.mu.Lock()
	d.cancel()
	d.mu.Unlock()
	d.wg.Wait()
}

// Tell asks a holder, without waiting for it, to check a leaf for which it sent wrong bytes.
func (d *Doubts) Tell(id peer.ID, root cid.Cid, leaf int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ctx.Err() != nil {
		return
	}
	d.wg.Go(func() {
		ctx, cancel := context.WithTimeoutCause(d.ctx, d.cfg.Patience, wire.ErrSilent)
		defer cancel()
		if err := d.cfg.Client.Doubt(ctx, id, root, leaf); err != nil {
			d.cfg.Log.WithError(err).WithField("cid", root).Debug("a holder could not be told that its copy may be damaged")
		}
	})
}

// Take notes that a member doubts a leaf of a blob here. The leaf is checked later. The error is
// wire.ErrGone when the blob is not here, wire.ErrNoLeaf when it has no such leaf, and
// wire.ErrTooMany when the member has had too many doubts, or too many doubts wait.
func (d *Doubts) Take(from peer.ID, root cid.Cid, leaf int) error {
	size, err := d.cfg.Blobs.Size(root)
	if m, ok := d.cfg.Blobs.Remains(root); ok && err != nil {
		size, err = m.Size, nil
	}
	switch {
	case errors.Is(err, blob.ErrNotFound):
		return wire.ErrGone
	case err != nil:
		return err
	case leaf >= dag.LeavesOf(size):
		return wire.ErrNoLeaf
	case !d.queue.take(from, suspect{root, leaf}):
		return wire.ErrTooMany
	}
	return nil
}

// weigh checks the leaves that members doubt. When a leaf is damaged, the store sets the blob
// aside; then all of it is hashed, and its damaged leaves are fetched again. Of a blob that was set
// aside before, a leaf that has become damaged since is no longer offered.
func (d *Doubts) weigh() {
	for {
		select {
		case at := <-d.queue.waiting:
			err := d.cfg.Blobs.CheckLeaf(d.ctx, at.root, at.leaf)
			log := d.cfg.Log.WithField("cid", at.root).WithField("leaf", at.leaf)
			switch {
			case err == nil:
				log.Debug("a member doubts a leaf that is right here")
			case !errors.Is(err, blob.ErrRotten):
				log.WithError(err).Debug("a leaf that a member doubts cannot be checked")
			}
			d.queue.done(at)
		case <-d.ctx.Done():
			return
		}
	}
}
