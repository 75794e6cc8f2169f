package transfer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/sirupsen/logrus"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
)

// job is the one transfer of a blob. The first cause with which its context is canceled is
// how it ended: errWhole, or why it failed.
type job struct {
	t       *Transfers
	ref     dag.Ref
	log     *logrus.Entry
	plan    *plan
	roster  *roster
	changed *signal // anything for which a goroutine of the job may wait
	wanted  int     // the leaf of the first reader; negative: there is none
	likely  peer.ID // a member that is asked before the others; empty: none
	unkept  bool    // of a stream: nothing of it can be given to others

	line    *line        // nil until the layout is known
	unowned time.Time    // since when no leaf was left for which we are first in line; under plan.choosing
	idlers  atomic.Int32 // workers with nothing to do

	ctx    context.Context
	cancel context.CancelCauseFunc
	done   chan struct{} // closed at the end; err is set before
	err    error

	moved         atomic.Int64 // last progress, nanoseconds since born
	flowed        atomic.Int64 // last byte, likewise
	got           atomic.Int64 // bytes received, useful or not
	born          time.Time
	first         chan struct{} // closed at the first leaf
	firstOnce     sync.Once
	laidOut       chan struct{} // closed when the layout is known
	firstLeafDone chan struct{}
	asked         atomic.Bool // every member was asked at least once
	relayed       atomic.Bool // a holder named others to ask
	background    atomic.Bool // no reader waits for it
	bitswapFailed atomic.Bool
	bitswapWorks  atomic.Bool // the holder brought something of this blob

	mu    sync.Mutex
	users int
	loans int // members that are sent something of it
	ended bool
	idle  *time.Timer
	whom  map[peer.ID]bool // asked
	last  error            // of a holder
}

func newJob(t *Transfers, ref dag.Ref, why purpose) *job {
	j := &job{
		t: t, ref: ref, log: t.log.WithField("cid", ref.CID),
		plan: &plan{}, roster: newRoster(t.timing), changed: newSignal(),
		done: make(chan struct{}), first: make(chan struct{}), born: time.Now(), whom: map[peer.ID]bool{},
		wanted: why.leaf, likely: why.likely, unowned: time.Now(), laidOut: make(chan struct{}), firstLeafDone: make(chan struct{}),
	}
	j.background.Store(why.background)
	j.ctx, j.cancel = context.WithCancelCause(t.ctx)
	j.idle = time.AfterFunc(t.timing.linger, j.unread)
	j.idle.Stop()
	return j
}

// enter adds a user; false when the job is about to end, and a new one is needed.
func (j *job) enter() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.ended || j.ctx.Err() != nil {
		return false
	}
	j.users++
	j.idle.Stop()
	return true
}

func (j *job) leave() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.users--
	switch {
	case j.users > 0:
	case j.ended:
		j.closeUnused()
	default:
		j.idle.Reset(j.t.timing.linger)
	}
}

// lend keeps what is here open for a member, until giveBack; false when the job has ended.
// A loan is no user: there is no reader on this registry.
func (j *job) lend() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.ended {
		j.loans++
	}
	return !j.ended
}

func (j *job) giveBack() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.loans--
	if j.ended {
		j.closeUnused()
	}
}

// unread ends the job when it has had no user for long enough.
func (j *job) unread() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.users == 0 {
		j.cancel(errUnread)
	}
}

func (j *job) run() {
	err := j.verdict(j.fetch())
	j.report(err)
	j.t.forget(j)
	j.mu.Lock()
	defer j.mu.Unlock()
	j.err, j.ended = err, true
	j.idle.Stop()
	close(j.done)
	j.closeUnused()
}

// fetch runs the whole transfer, and waits for all goroutines that took part.
func (j *job) fetch() error {
	var wg sync.WaitGroup
	j.presume()
	wg.Go(j.discover)
	wg.Go(j.watch)
	wg.Go(j.fetchFirstLeaf)
	wg.Go(func() {
		if err := j.open(); err != nil {
			j.cancel(err)
			return
		}
		j.employ(&wg)
	})
	<-j.ctx.Done()
	wg.Wait()
	cause := context.Cause(j.ctx)
	if !errors.Is(cause, errWhole) {
		return cause
	}
	// A blob that is whole is kept, even when this registry is stopping.
	return j.plan.blob().Finish(context.WithoutCancel(j.ctx))
}

// presume asks the likeliest holder for leaves before it has said what it holds: it is the
// one that had the last blob, or the only other member.
func (j *job) presume() {
	members := j.t.cfg.Swarm.Connected()
	id, _ := j.t.lately.Load().(peer.ID)
	switch {
	case slices.Contains(members, j.likely):
		id = j.likely
	case len(members) == 1:
		id = members[0]
	}
	if slices.Contains(members, id) && !j.t.grudges.holds(id, j.ref.CID) {
		j.roster.guess(id)
	}
}

// employ starts the workers. The first leaf has the whole bandwidth for a moment.
func (j *job) employ(wg *sync.WaitGroup) {
	wg.Go(j.reuse)
	if j.t.cfg.Bitswap != nil {
		wg.Go(j.lastResort)
	}
	alone, cancel := context.WithTimeout(j.ctx, j.t.timing.alone)
	defer cancel()
	select {
	case <-j.firstLeafDone:
	case <-alone.Done():
	}
	wg.Go(func() { j.work(false) })
	if j.ref.Size <= minPiece {
		return
	}
	if j.wanted >= 0 {
		j.awaitFirst(alone)
	}
	wg.Go(func() { j.work(true) })
	if j.plan.layout.Leaves() == 1 {
		return
	}
	wg.Go(j.keepPolling)
	j.hire(wg)
}

// awaitFirst waits for the first leaf for a moment, or, when the link is slow, as long as
// bytes of it come from the likeliest holder.
func (j *job) awaitFirst(alone context.Context) {
	select {
	case <-j.first:
		return
	case <-alone.Done():
	}
	tick := time.NewTicker(j.t.timing.retry)
	defer tick.Stop()
	for time.Since(j.born)-time.Duration(j.flowed.Load()) < j.t.timing.retry && !j.relayed.Load() {
		select {
		case <-j.first:
			return
		case <-tick.C:
		case <-j.ctx.Done():
			return
		}
	}
}

// hire starts a worker for each stream that can be used, as holders appear.
func (j *job) hire(wg *sync.WaitGroup) {
	for workers := 1; ; {
		changed := j.changed.wait()
		for ; workers < j.roster.streams() && workers < j.plan.layout.Leaves(); workers++ {
			wg.Go(func() { j.work(false) })
		}
		if workers == maxStreams {
			return
		}
		select {
		case <-changed:
		case <-j.ctx.Done():
			return
		}
	}
}

// begun reports whether the first leaf is here.
func (j *job) begun() bool {
	select {
	case <-j.first:
		return true
	default:
		return false
	}
}

// verdict makes the error that readers get.
func (j *job) verdict(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errNobody), errors.Is(err, errStalled):
		j.mu.Lock()
		asked, last := slices.Sorted(maps.Keys(j.whom)), j.last
		j.mu.Unlock()
		if last == nil && errors.Is(err, errStalled) {
			last = errStalled
		}
		err = &Unavailable{CID: j.ref.CID, Asked: asked, Cause: last, Damaged: j.t.cfg.Blobs.IsRotten(j.ref.CID)}
	default:
		err = fmt.Errorf("fetch %s: %w", j.ref.CID, err)
	}
	return err
}

// closeUnused keeps what has arrived for a later transfer, unless it is still being read;
// mu is held.
func (j *job) closeUnused() {
	p := j.plan.blob()
	if p == nil || j.users > 0 || j.loans > 0 {
		return
	}
	if err := p.Close(); err != nil {
		j.log.WithError(err).Warn("cannot close the files of a blob that was on its way here")
	}
}

// watch fails the job when no byte has come for Config.Stall, or no whole leaf for a
// multiple of that.
func (j *job) watch() {
	for {
		hashing := j.plan.hashing.Load() // looked at first: its end counts as progress
		quiet := time.Since(j.born) - time.Duration(max(j.moved.Load(), j.flowed.Load()))
		left := min(j.t.timing.stall-quiet, j.t.timing.trickle-j.still())
		if hashing {
			left = max(left, j.t.timing.retry) // busy with what is here
		}
		if left <= 0 {
			j.cancel(errStalled)
			return
		}
		select {
		case <-time.After(left):
		case <-j.ctx.Done():
			return
		}
	}
}

// received counts bytes that came from a member, or by bitswap.
func (j *job) received(n int) {
	j.got.Add(int64(n))
	j.t.in.Add(int64(n))
}

// flows notes that bytes of an unfinished leaf are coming.
func (j *job) flows() { j.flowed.Store(int64(time.Since(j.born))) }

// still is for how long nothing was verified.
func (j *job) still() time.Duration { return time.Since(j.born) - time.Duration(j.moved.Load()) }

func (j *job) progress() { j.moved.Store(int64(time.Since(j.born))) }

// landed tells all waiters that a leaf is here.
func (j *job) landed() {
	j.progress()
	j.firstOnce.Do(func() { close(j.first) })
	j.changed.raise()
}
