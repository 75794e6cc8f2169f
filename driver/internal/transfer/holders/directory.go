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
	// Trusts reports whether a member's word counts. One that it does not trust holds a blob when
	// it has sent a leaf of it, which is believed for Grudge.
	Trusts func(peer.ID) bool
}

// Directory is what a registry knows about which members hold which blobs. It is safe for
// concurrent use.
type Directory struct {
	cfg       Config
	ctx       context.Context
	cancel    context.CancelFunc
	wg        sync.WaitGroup // questions under way
	grudges   *grudges       // of wrong bytes
	proofs    *grudges       // of leaves that came
	standings *standings
	last      atomic.Value // peer.ID of the member that served last

	mu    sync.Mutex
	known map[dag.Ref]*Question
}

// New makes a Directory. It asks nobody once ctx has ended.
func New(ctx context.Context, cfg Config) *Directory {
	d := &Directory{
		cfg: cfg, grudges: newGrudges(cfg.Grudge), proofs: newGrudges(cfg.Grudge), standings: newStandings(),
		known: map[dag.Ref]*Question{},
	}
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
// self nor members that lately sent wrong bytes of the blob or are no longer connected. The word of
// a member that is not trusted, or was lately mute or wrong, does not count: where no other has the
// blob, one of these has to send a leaf of it. Answers are remembered for RememberFor. Whole returns
// when all members have answered or had Config.Ask to answer, and as long to send a leaf; or
// Config.Grace after one whose word counts has said that it holds the blob. When nobody does, and a
// trusted member that is still connected did not answer, or not send what it says it has, the error
// is *SilentError. When the error is that of ctx, there may be other holders; any other error says
// why the directory was closed.
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
	err := d.await(ctx, ref, q)
	whole, unsure := d.weigh(ref, q)
	silent, connected := q.Silent(), d.cfg.Connected()
	if err == nil && len(whole) == 0 && len(unsure) > 0 {
		whole, err = d.prove(ctx, ref, unsure), ctx.Err()
		silent = append(silent, slices.DeleteFunc(unsure, func(id peer.ID) bool { return !d.cfg.Trusts(id) })...)
	}
	silent = slices.DeleteFunc(silent, func(id peer.ID) bool { return !slices.Contains(connected, id) })
	if err == nil && len(whole) == 0 && len(silent) > 0 {
		slices.Sort(silent)
		err = &SilentError{silent}
	}
	return whole, err
}

// weigh divides those that say they hold a blob, and are still connected, by whether that counts.
func (d *Directory) weigh(ref dag.Ref, q *Question) (sure, unsure []peer.ID) {
	whole, _, _ := q.Answers()
	connected := d.cfg.Connected() // a member may leave while its answer is remembered, or awaited
	for _, id := range whole {
		switch {
		case d.Blames(id, ref.CID) || !slices.Contains(connected, id):
		case d.counts(id, ref):
			sure = append(sure, id)
		default:
			unsure = append(unsure, id)
		}
	}
	return sure, unsure
}

// counts reports whether it is worth anything when a member says that it holds a blob.
func (d *Directory) counts(id peer.ID, ref dag.Ref) bool {
	s := d.Standing(id)
	return !s.Untrusted && !s.Sunk || d.proofs.holds(id, ref.CID)
}

func (d *Directory) await(ctx context.Context, ref dag.Ref, q *Question) error {
	var enough <-chan time.Time
	looked := 0 // at so many of those that hold the blob
	for {
		changed := q.Changed()
		whole, _, _ := q.Answers()
		for ; enough == nil && looked < len(whole); looked++ {
			if d.counts(whole[looked], ref) {
				enough = time.After(d.cfg.Grace)
			}
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
