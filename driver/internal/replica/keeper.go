package replica

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/sirupsen/logrus"
	"golang.org/x/time/rate"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/backlog"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/replica/place"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/room"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer"
)

const (
	atOnce    = 2 // blobs fetched at the same time, and as many again in repair
	retryMin  = time.Second
	retryMost = 10 * time.Minute
	// Members are judged every now and then, and blobs are moved once they have stayed the
	// same for as long: a registry that has just come hears of one member after the other.
	mostPace = 5 * time.Second
)

// Config is what a keeper is made of. With 0 Copies it fetches nothing. Without Members it is
// alone, and needs nothing else.
type Config struct {
	Self    peer.ID
	Copies  int           // of each blob; place.All: one on every registry
	Delay   time.Duration // for which a member may be away before its blobs get other keepers
	Members func() (self place.Member, others []place.Member)
	Rate    int64                 // bytes a second that are fetched in repair; 0: as many as can be
	Ready   func(context.Context) // waits until the map is as other registries know it
	// Room has room made for a copy of n bytes, and waits for that. The error is a *room.Short
	// when a copy would take what is to stay free.
	Room func(ctx context.Context, n int64) error
	// Draining reports whether this registry is to be switched off for good: it keeps nothing
	// then. Self, as of Members, says the same. Nil: it is not.
	Draining func() bool
	Log      *logrus.Entry
}

// Keeper keeps this registry's copies. It is safe for concurrent use.
type Keeper struct {
	cfg Config

	paths     *pathmap.Map // from Start on, like the next two
	blobs     *blob.Store
	transfers *transfer.Transfers

	started atomic.Bool // these are set
	leaving leaving
	backlog *backlog.Backlog
	slow    *rate.Limiter // of repair; nil: none
	judging sync.Mutex
	verdict atomic.Pointer[judgment]
	soon    chan struct{} // members may have changed
	settled atomic.Bool   // who the members are is known well enough for new blobs
	short   shortage      // of room
	mute    atomic.Bool   // a member has been Silent for longer than a newcomer may be
	ctx     context.Context
	cancel  context.CancelFunc
	wg      sync.WaitGroup
}

// judgment is which members count, as of late.
type judgment struct {
	place.Verdict
	number int // of the view: another one after each change
	missed int // members that have been away for longer than the delay
}

// New makes a keeper, which may be told of entries and members from now on.
func New(cfg Config) *Keeper {
	k := &Keeper{cfg: cfg, soon: make(chan struct{}, 1)}
	if cfg.Rate > 0 {
		k.slow = rate.NewLimiter(rate.Limit(cfg.Rate), max(dag.LeafSize, int(cfg.Rate/10)))
	}
	k.verdict.Store(&judgment{Verdict: place.Verdict{View: place.NewView(nil)}})
	k.ctx, k.cancel = context.WithCancel(context.Background())
	k.backlog = backlog.New(backlog.Config{
		AtOnce: atOnce, Least: retryMin, Most: retryMost,
		Try: k.fetchNew, Again: k.repair, Walk: k.walk, Ready: cfg.Ready, Fails: k.complain,
	})
	return k
}

// Start begins to keep what is in a map on a disk.
func (k *Keeper) Start(paths *pathmap.Map, blobs *blob.Store, transfers *transfer.Transfers) {
	k.paths, k.blobs, k.transfers = paths, blobs, transfers
	k.started.Store(true)
	if k.cfg.Copies == 0 || k.cfg.Members == nil {
		return
	}
	k.wg.Go(func() {
		k.cfg.Ready(k.ctx)
		if k.ctx.Err() != nil {
			return
		}
		k.judge()
		k.backlog.Start()
		k.watch()
	})
}

// Stop ends what is under way and waits for it.
func (k *Keeper) Stop() {
	k.cancel()
	k.wg.Wait()
	k.backlog.Stop()
}

// Added takes paths that gained an entry by a change of another registry. It never blocks. What
// comes before the members are known is found when the map is looked through.
func (k *Keeper) Added(paths []string) {
	if !k.settled.Load() {
		return
	}
	view := k.paths.View()
	k.backlog.Add(slices.DeleteFunc(slices.Clone(paths), func(p string) bool {
		e, err := view.Get(p)
		return err != nil || !k.Keeps(e.CID)
	}))
}

// LookAgain has the map looked through: a blob that is to be kept here may have gone. It never
// blocks.
func (k *Keeper) LookAgain() {
	if k.settled.Load() {
		k.backlog.All()
	}
}

// Appeared says that a member has been connected. It never blocks.
func (k *Keeper) Appeared() {
	k.backlog.Hurry()
	select {
	case k.soon <- struct{}{}:
	default:
	}
}

// Keeps reports whether this registry is to keep a blob.
func (k *Keeper) Keeps(c cid.Cid) bool {
	if k.cfg.Copies == 0 || k.cfg.Members == nil {
		return false
	}
	if _, inline := dag.InlineBytes(c); inline {
		return false
	}
	var few [8]peer.ID
	return slices.Contains(k.verdict.Load().View.Keepers(few[:0], c, k.cfg.Copies), k.cfg.Self)
}

// Keepers appends to dst who is to keep a blob, as far as this registry knows: nobody with 0
// copies, or while the members are not known well enough.
func (k *Keeper) Keepers(dst []peer.ID, c cid.Cid) []peer.ID {
	if k.cfg.Copies == 0 || k.cfg.Members == nil || !k.settled.Load() {
		return dst
	}
	return k.verdict.Load().View.Keepers(dst, c, k.cfg.Copies)
}

// lacks reports whether the blob of an entry is to be kept here, and is not here. Nobody keeps one of
// a size that no blob has: no room is made for it.
func (k *Keeper) lacks(e pathmap.Entry) bool {
	if (dag.Ref{CID: e.CID, Size: e.Size}).Check() != nil || !k.Keeps(e.CID) {
		return false
	}
	size, err := k.blobs.Size(e.CID)
	return err != nil || size != e.Size
}

// fetchNew brings the blob of a path here that has just got its entry.
func (k *Keeper) fetchNew(ctx context.Context, path string) error { return k.fetch(ctx, path, nil) }

// repair does so for a blob that has been there for longer, at no more than the rate of repair.
func (k *Keeper) repair(ctx context.Context, path string) error {
	if k.slow != nil {
		if err := k.slow.Wait(ctx); err != nil { // until what was fetched before is made up for
			return err
		}
	}
	return k.fetch(ctx, path, k.slow)
}

// fetch brings the blob of a path here, if it is to be kept and is not here, and waits for it.
// Who wrote the entry is asked first: that registry had the blob.
func (k *Keeper) fetch(ctx context.Context, path string, pace *rate.Limiter) error {
	view := k.paths.View()
	e, err := view.Get(path)
	if err != nil || !k.lacks(e) {
		k.short.met(path)
		return nil // there is no entry, no longer, or it is of a later release
	}
	writer, _ := peer.Decode(view.Writer(path))
	if err = k.cfg.Room(ctx, e.Size); err == nil {
		err = k.transfers.FetchPaced(ctx, dag.Ref{CID: e.CID, Size: e.Size}, writer, pace)
	}
	full := room.IsFull(err)
	if !full {
		k.short.met(path)
	}
	switch {
	case err == nil, ctx.Err() != nil:
	case full && k.short.of(path, e.Size):
		k.cfg.Log.WithError(err).Warn("no room for copies: this registry keeps no more blobs for others until there is room; clients' pulls go on")
	default:
		k.cfg.Log.WithError(err).WithField("cid", e.CID).Debug("a blob is not kept here yet: it is fetched later")
	}
	return err
}

// complain logs once that blobs cannot be fetched, until all are here.
func (k *Keeper) complain(failed int) {
	if k.short.amount() == (Amount{}) {
		k.cfg.Log.WithField("blobs", failed).Warn(
			"blobs that this registry is to keep cannot be fetched now: they are tried again, less and less often, and when a member appears")
	}
}

// State is what a keeper tells an operator.
type State struct {
	Copies int
	Failed int    // paths of blobs that could not be fetched when they were last tried
	Short  Amount // of these, those that there is no room for, as far as they are remembered
	Hold   place.Hold
	Away   int // of the Known members that keep blobs for others
	Known  int
	Silent []peer.ID
	// Mute: the Silent are no newcomers any more, which have had no time to say anything.
	Mute bool
	View int // another number after each change of the members
	// Settled: the members are known well enough to place blobs among them.
	Settled bool
}

// State is the state of now. A hold because of members that are away shows only once it
// matters: when one of them has been away for longer than the delay.
func (k *Keeper) State() State {
	v, failed := k.verdict.Load(), k.backlog.Failed()
	return State{
		Copies: k.cfg.Copies, Failed: failed, Short: k.short.amount(), Hold: v.hold(),
		Away: v.Away, Known: v.Known, Silent: v.Silent, Mute: k.mute.Load(), View: v.number,
		Settled: k.settled.Load(),
	}
}
