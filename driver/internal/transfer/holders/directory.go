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
	Ask       time.Duration // for a member to answer, before it counts as silent
	Grace     time.Duration // for the others to answer, once a member has said that it has the blob
	Grudge    time.Duration // for which a member that sent wrong bytes of a blob is avoided
}

// Directory is what a registry knows about which members hold which blobs. It is safe for
// concurrent use.
type Directory struct {
	cfg     Config
	ctx     context.Context
	cancel  context.CancelFunc
	wg      sync.WaitGroup // questions under way
	grudges *grudges
	last    atomic.Value // peer.ID of the member that served last

	mu    sync.Mutex
	known map[dag.Ref]*Question
}

// New makes a Directory. It asks nobody once ctx has ended.
func New(ctx context.Context, cfg Config) *Directory {
	d := &Directory{cfg: cfg, grudges: newGrudges(cfg.Grudge), known: map[dag.Ref]*Question{}}
	d.ctx, d.cancel = context.WithCancel(ctx)
	return d
}

// Close ends all questions, and waits until they have ended. It may be called again.
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

// Connected returns the members connected now, without self.
func (d *Directory) Connected() []peer.ID { return d.cfg.Connected() }

// Blame notes that a member sent wrong bytes of a blob.
func (d *Directory) Blame(id peer.ID, c cid.Cid) { d.grudges.add(id, c) }

// Blames reports whether a member lately sent wrong bytes of a blob, so that it is avoided for that
// blob.
func (d *Directory) Blames(id peer.ID, c cid.Cid) bool { return d.grudges.holds(id, c) }

// Served notes that a member that holds a blob has sent something of it.
func (d *Directory) Served(id peer.ID) { d.last.Store(id) }

// Last returns the member that served last, whichever blob that was of; empty: none has.
func (d *Directory) Last() peer.ID {
	id, _ := d.last.Load().(peer.ID)
	return id
}

// Whole asks the connected members which of them hold the whole blob. The result contains neither
// self nor members that lately sent wrong bytes of the blob or are no longer connected. Answers are
// remembered for RememberFor. Whole returns when all members have answered or had Config.Ask to
// answer, or Config.Grace after one has said that it holds the blob. When nobody has said so, and a
// member that is still connected did not answer, the error is *SilentError. When the error is that
// of ctx, there may be other holders; any other error says why the directory was closed.
func (d *Directory) Whole(ctx context.Context, ref dag.Ref) ([]peer.ID, error) {
	return d.whole(ctx, ref, d.Ask(ref, RememberFor, false))
}

// WholeNow is Whole with answers to a question that begins after the call.
func (d *Directory) WholeNow(ctx context.Context, ref dag.Ref) ([]peer.ID, error) {
	return d.whole(ctx, ref, d.askAnew(ref))
}

func (d *Directory) whole(ctx context.Context, ref dag.Ref, q *Question) ([]peer.ID, error) {
	if q == nil {
		return nil, context.Cause(d.ctx)
	}
	err := d.await(ctx, q)
	whole, _, _ := q.Answers()
	silent := q.Silent()
	connected := d.cfg.Connected() // a member may leave while its answer is remembered, or awaited
	whole = slices.DeleteFunc(whole, func(id peer.ID) bool {
		return d.Blames(id, ref.CID) || !slices.Contains(connected, id)
	})
	silent = slices.DeleteFunc(silent, func(id peer.ID) bool { return !slices.Contains(connected, id) })
	if err == nil && len(whole) == 0 && len(silent) > 0 {
		slices.Sort(silent)
		err = &SilentError{silent}
	}
	return whole, err
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
