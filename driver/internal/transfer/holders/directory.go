package holders

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/wire"
)

// Config is what a Directory is made of.
type Config struct {
	Connected func() []peer.ID // the members connected now, without self
	Client    *wire.Client
	Ask       time.Duration // after which a member that does not answer is silent
	Grace     time.Duration // for members that have not answered when one holds the blob
	Grudge    time.Duration // for which a member is avoided that sent wrong bytes of a blob
}

// Directory is what a registry knows of who holds which blob. It is safe for concurrent use.
type Directory struct {
	cfg     Config
	ctx     context.Context
	cancel  context.CancelFunc
	wg      sync.WaitGroup // questions
	grudges *grudges
	last    atomic.Value // peer.ID of the member that served last

	mu    sync.Mutex
	known map[dag.Ref]*Question
}

// New makes a directory. It asks nobody any more when ctx ends.
func New(ctx context.Context, cfg Config) *Directory {
	d := &Directory{cfg: cfg, grudges: newGrudges(cfg.Grudge), known: map[dag.Ref]*Question{}}
	d.ctx, d.cancel = context.WithCancel(ctx)
	return d
}

// Close ends all questions, and waits for that. It may be called again.
func (d *Directory) Close() {
	d.mu.Lock()
	d.cancel()
	for _, q := range d.known {
		if q.expiry != nil {
			q.expiry.Stop()
		}
	}
	d.mu.Unlock()
	d.wg.Wait()
}

// Connected gives the members connected now, without self.
func (d *Directory) Connected() []peer.ID { return d.cfg.Connected() }

// Blame notes that a member sent wrong bytes of a blob.
func (d *Directory) Blame(id peer.ID, c cid.Cid) { d.grudges.add(id, c) }

// Blames reports whether a member lately sent wrong bytes of a blob, and is avoided for it.
func (d *Directory) Blames(id peer.ID, c cid.Cid) bool { return d.grudges.holds(id, c) }

// Served notes that a member that holds a blob sent something of it.
func (d *Directory) Served(id peer.ID) { d.last.Store(id) }

// Last is the member that served last, of whatever blob; empty: none has.
func (d *Directory) Last() peer.ID {
	id, _ := d.last.Load().(peer.ID)
	return id
}

// Whole asks the connected members which of them hold a blob whole; self is not among
// them, nor are members that lately sent wrong bytes of it, or that are gone by now.
// Answers are remembered for RememberFor. It returns when all have answered, or a moment
// after the first that holds it; members that do not answer are given Config.Ask. When the
// error is that of ctx, there may be holders all the same; otherwise it is why the directory
// ended.
func (d *Directory) Whole(ctx context.Context, ref dag.Ref) ([]peer.ID, error) {
	q := d.Ask(ref, RememberFor, false)
	if q == nil {
		return nil, context.Cause(d.ctx)
	}
	err := d.await(ctx, q)
	whole, _, _ := q.Answers()
	connected := d.cfg.Connected() // an answer is remembered for longer than its member may stay connected
	return slices.DeleteFunc(whole, func(id peer.ID) bool {
		return d.Blames(id, ref.CID) || !slices.Contains(connected, id)
	}), err
}

func (d *Directory) await(ctx context.Context, q *Question) error {
	var enough <-chan time.Time
	for {
		changed := q.Changed()
		if whole, _, _ := q.Answers(); enough == nil && len(whole) > 0 {
			enough = time.After(d.cfg.Grace)
		}
		select {
		case <-changed:
		case <-q.Done():
			return nil
		case <-enough:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
