package transfer

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/time/rate"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/wire"
)

const (
	// leafParam names the leaf that is in doubt.
	leafParam = "leaf"
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

// doubt tells a holder that a leaf of its copy arrived damaged. A holder of an older
// release does not know the request, and answers so.
func (c *client) doubt(ctx context.Context, id peer.ID, root cid.Cid, leaf int) error {
	path := fmt.Sprintf("blobs/%s/doubt?%s=%d", root, leafParam, leaf)
	resp, err := c.do(ctx, http.MethodPost, id, path, "", http.StatusAccepted)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// tellHolder asks a holder to check a leaf for which it sent wrong bytes.
func (t *Transfers) tellHolder(id peer.ID, root cid.Cid, leaf int) {
	if !t.hold() {
		return
	}
	go func() {
		defer t.wg.Done()
		ctx, cancel := context.WithTimeoutCause(t.ctx, t.timing.ask, wire.ErrSilent)
		defer cancel()
		if err := t.client.doubt(ctx, id, root, leaf); err != nil {
			t.log.WithError(err).WithField("cid", root).Debug("a holder does not take that its copy is damaged")
		}
	}()
}

// doubts are leaves that members found wrong when this registry sent them. They are checked
// one at a time, and each blob once, however many members doubt it.
type doubts struct {
	mu      sync.Mutex
	from    map[string]*rate.Limiter // by remote address, which is a peer ID
	waiting map[cid.Cid]bool
	queue   chan place
}

func newDoubts() *doubts {
	return &doubts{from: map[string]*rate.Limiter{}, waiting: map[cid.Cid]bool{}, queue: make(chan place, maxDoubts)}
}

// take queues a doubt; false when its member had too many, or too many are queued.
func (d *doubts) take(from string, at place) bool {
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

func (d *doubts) done(at place) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.waiting, at.root)
}

// serveDoubt notes that a member doubts a leaf of a blob here, without checking it yet.
func (t *Transfers) serveDoubt(w http.ResponseWriter, r *http.Request, c cid.Cid) error {
	leaf, err := strconv.Atoi(r.URL.Query().Get(leafParam))
	if err != nil || leaf < 0 {
		http.Error(w, "which leaf?", http.StatusBadRequest)
		return nil
	}
	size, err := t.cfg.Blobs.Size(c)
	if m, ok := t.cfg.Blobs.Remains(c); ok && err != nil {
		size, err = m.Size, nil
	}
	if err != nil {
		return err
	}
	if leaf >= leavesOf(size) {
		http.Error(w, "there is no such leaf", http.StatusBadRequest)
		return nil
	}
	if !t.doubts.take(r.RemoteAddr, place{c, leaf}) {
		http.Error(w, "too many doubts", http.StatusTooManyRequests)
		return nil
	}
	w.WriteHeader(http.StatusAccepted)
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
