package sweep

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/lease"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/sweep/mark"
)

// MaxWait is the longest grace for which Collect itself waits.
const MaxWait = time.Minute

const (
	markCache   = 64 << 20        // bytes of what manifests name, from one marking to the next
	hearAgain   = time.Second     // between two hearings of those who were busy
	firstSweep  = 5 * time.Minute // after the start, at most
	hearingTime = 30 * time.Second
)

// Config is what a collector is made of.
type Config struct {
	Self     string // peer ID
	Paths    *pathmap.Map
	Bytes    *Bytes
	Hearings *Hearings
	Clock    *Clock
	// Read gives the bytes of a manifest of this disk, verified.
	Read func(ctx context.Context, e pathmap.Entry) ([]byte, error)
	// MayWrite reports whether this registry's deletes count.
	MayWrite func() bool
	// Before counts the registries that are connected and ought to collect by themselves
	// before this one does: one is enough, but it may be configured not to.
	Before func() int
	// Complete reports whether the map names all that is to be kept on this disk, as far as
	// this registry can know.
	Complete func() bool
	File     string // where marks are kept

	Expiry   time.Duration // for which somebody who is not met is waited for
	Interval time.Duration // between two collections by itself; 0: none
	Grace    time.Duration
	Untagged bool // manifests without a tag are garbage
	Log      *logrus.Entry
}

// Collector removes from the map what nothing live refers to, by the rules of package lease,
// and from this disk what no entry names.
//
//	c, err := sweep.NewCollector(sweep.Config{…})
//	c.Start()
//	defer c.Close()
//	report, err := c.Collect(ctx, sweep.Options{Grace: time.Minute}, progress)
//
// It is safe for concurrent use; one collection runs at a time.
type Collector struct {
	cfg    Config
	cache  *mark.Cache
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	collecting sync.Mutex
	marks      []*lease.Mark // the oldest first
	strangers  map[string]lease.Moment

	mu    sync.Mutex
	state State
}

// NewCollector makes a collector, which goes on with the marks of an earlier run. It does
// nothing by itself before Start.
func NewCollector(cfg Config) *Collector {
	c := &Collector{cfg: cfg, cache: mark.NewCache(markCache)}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	m, err := readMarks(cfg.File, cfg.Clock.Now())
	if err != nil {
		cfg.Log.WithError(err).Warn("what was found unused before this start is not known any more: it is deleted later, and nobody needs to do anything")
	}
	c.marks, c.strangers = m.Marks, m.Strangers
	c.state.Marked = c.marked()
	return c
}

func (c *Collector) save() error {
	return writeMarks(c.cfg.File, marks{Marks: c.marks, Strangers: c.strangers})
}

// marked counts the paths that wait for their second mark.
func (c *Collector) marked() (n int) {
	for _, m := range c.marks {
		n += len(m.Unused)
	}
	return n
}

// Start counts running time, and collects each Interval until Close.
func (c *Collector) Start() {
	c.wg.Go(func() { c.cfg.Clock.run(c.ctx) })
	c.wg.Go(c.returning)
	if c.cfg.Interval > 0 {
		c.wg.Go(c.run)
	}
}

// Close ends a running collection, and waits for it. It may be called again, and without
// Start.
func (c *Collector) Close() {
	c.cancel()
	c.wg.Wait()
	c.collecting.Lock() // one that the operator asked for
	defer c.collecting.Unlock()
}

func (c *Collector) run() {
	next := time.NewTimer(min(firstSweep, c.cfg.Interval))
	defer next.Stop()
	for {
		select {
		case <-next.C:
		case <-c.ctx.Done():
			return
		}
		next.Reset(c.cfg.Interval)
		if err := c.turn(); err != nil && c.ctx.Err() == nil {
			c.cfg.Log.WithError(err).Warn("garbage was not collected: it is tried again")
		}
	}
}

// turn is a collection by itself. Each registry marks; those that do not come first find
// nothing left to delete, unless the first ones have not done so for an interval each.
func (c *Collector) turn() error {
	c.collecting.Lock()
	defer c.collecting.Unlock()
	r := newRun(c, Options{Grace: c.cfg.Grace, Untagged: c.cfg.Untagged}, nil)
	if r.late = time.Duration(c.cfg.Before()) * c.cfg.Interval; r.late > 0 {
		defer func() { c.cache = mark.NewCache(markCache) }() // reading again costs less than memory
	}
	err := c.ExpireStrangers(c.ctx, c.cfg.Clock.Now())
	if err == nil && c.cfg.MayWrite() {
		err = r.paths(c.ctx)
	}
	err = errors.Join(err, r.bytes(c.ctx)) // also where a full disk takes no deletes
	c.tell(r.report)
	return err
}

// Collect collects at once, as an operator asks. With a grace of up to MaxWait it finishes;
// with a longer one the report says when what is garbage now may go. When ctx ends it ends,
// and what it has deleted stays deleted.
func (c *Collector) Collect(ctx context.Context, o Options, progress func(Progress)) (Report, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.ctx, cancel)()
	c.collecting.Lock()
	defer c.collecting.Unlock()
	r := newRun(c, o, progress)
	if o.DryRun {
		_, err := r.look(ctx, c.cfg.Paths.View())
		return r.report, err
	}
	if !c.cfg.MayWrite() {
		return r.report, ErrReadOnly
	}
	err := r.all(ctx)
	c.tell(r.report)
	if err != nil && c.ctx.Err() != nil {
		err = errClosing
	}
	return r.report, err
}

var errClosing = errors.New("the registry is stopping")

// ErrReadOnly reports that the registry's deletes do not count, or that it must not write.
var ErrReadOnly = errors.New("this registry takes no writes: collect on one that does")

// tell notes and logs what a collection did.
func (c *Collector) tell(r Report) {
	c.mu.Lock()
	c.state.Marked = c.marked()
	c.state.WaitsFor = r.WaitsFor
	c.state.Deleted += r.Deleted.Manifests + r.Deleted.Layers + r.Deleted.Blobs
	c.state.Removed.Blobs += r.Removed.Blobs
	c.state.Removed.Bytes += r.Removed.Bytes
	c.mu.Unlock()
	fields := logrus.Fields{
		"manifests": r.Deleted.Manifests, "links": r.Deleted.Layers, "blobs": r.Deleted.Blobs,
		"removed": r.Removed.Blobs, "bytes": r.Removed.Bytes,
	}
	if r.Deleted != (mark.Sums{}) || r.Removed.Blobs > 0 {
		c.cfg.Log.WithFields(fields).Info("garbage collected")
	}
}

// State is what there is to know of collections between two of them.
func (c *Collector) State() State {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.state
	s.Unnamed = c.cfg.Bytes.Unnamed()
	return s
}
