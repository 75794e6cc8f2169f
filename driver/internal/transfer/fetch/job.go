package fetch

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/sirupsen/logrus"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/signal"
)

// Job is the one transfer of a blob: what all who have to do with it share. It is safe for
// concurrent use; its state is its coordinator's. The first cause with which its context is
// canceled is how it ended: errWhole, or why it failed.
type Job struct {
	f       *Fetcher
	ref     dag.Ref
	why     Purpose
	passage *passage // nil: what comes is kept
	ctx     context.Context
	cancel  context.CancelCauseFunc
	events  chan event     // to the coordinator
	news    *signal.Signal // of a leaf that is here, or of a holder
	here    here
	meter   meter
	use     use
	end     end
}

// Ref is the blob.
func (j *Job) Ref() dag.Ref { return j.ref }

// Born is when the job was made.
func (j *Job) Born() time.Time { return j.meter.born }

// Changed is closed when a leaf has come or there is other news of what is here.
func (j *Job) Changed() <-chan struct{} { return j.news.Wait() }

// Torn reports whether possibly nobody has what is lacking: only damaged copies are known.
func (j *Job) Torn() bool { return j.here.torn.Load() }

// Done is closed when all has ended.
func (j *Job) Done() <-chan struct{} { return j.end.done }

// Err is how the job ended, by the verdict of Run; nil when all is here. It is for after Done.
func (j *Job) Err() error { return j.end.err }

// Landed reports whether all of a blob that is kept has come.
func (j *Job) Landed() bool {
	return j.passage == nil && j.Verified().Count() == dag.LeavesOf(j.ref.Size)
}

func (j *Job) log() *logrus.Entry { return j.f.Log.WithField("cid", j.ref.CID) }

// Purpose is what a transfer is begun for.
type Purpose struct {
	Leaf       int     // that a reader waits for; negative: there is none
	Likely     peer.ID // a member that is asked before the others; empty: none
	Background bool    // no reader waits for it
}

// end is how a job ended.
type end struct {
	stopped chan struct{} // closed when the coordinator takes no more events
	done    chan struct{} // closed when all has ended; err is set before
	err     error
}

// End is what a transfer leaves behind.
type End struct {
	Cause    error     // of failure: that of the context, ErrNotKept, or one of the Err… here; nil: all is here
	Asked    []peer.ID // the members that were asked, sorted
	Last     error     // how a holder failed; nil when none did
	Received int64     // bytes, useful or not
}

// New makes the transfer of a blob, which is kept. It does nothing until Run.
func (f *Fetcher) New(ref dag.Ref, why Purpose) *Job {
	j := &Job{
		f: f, ref: ref, why: why,
		events: make(chan event, maxQueued), news: signal.New(),
		here:  here{laidOut: make(chan struct{})},
		meter: meter{born: time.Now()},
		end:   end{stopped: make(chan struct{}), done: make(chan struct{})},
	}
	j.ctx, j.cancel = context.WithCancelCause(f.ctx)
	j.use.background.Store(why.Background)
	j.use.idle = time.AfterFunc(f.Timing.Linger, j.unread)
	j.use.idle.Stop()
	return j
}

// use is who uses a job.
type use struct {
	background atomic.Bool // no reader has waited for it

	mu    sync.Mutex
	users int
	loans int // members that are sent something of it
	ended bool
	idle  *time.Timer
}

// Enter adds a user, until Leave; false when the job is about to end without the blob, and a
// new one is needed.
func (j *Job) Enter() bool {
	u := &j.use
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.ended || j.ctx.Err() != nil && !errors.Is(context.Cause(j.ctx), errWhole) {
		return false
	}
	u.users++
	u.idle.Stop()
	return true
}

// Leave takes a user out. The job goes on for Timing.Linger after the last one.
func (j *Job) Leave() {
	u := &j.use
	u.mu.Lock()
	defer u.mu.Unlock()
	u.users--
	switch {
	case u.users > 0:
	case u.ended:
		j.closeUnused()
	default:
		u.idle.Reset(j.f.Timing.Linger)
	}
}

// Users is how many readers and others of this registry wait for the blob.
func (j *Job) Users() int {
	j.use.mu.Lock()
	defer j.use.mu.Unlock()
	return j.use.users
}

// Lend keeps what is here open for a member, until GiveBack; false when the job has ended.
// A loan is no user: there is no reader on this registry.
func (j *Job) Lend() bool {
	u := &j.use
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.ended {
		u.loans++
	}
	return !u.ended
}

// GiveBack ends what Lend began.
func (j *Job) GiveBack() {
	u := &j.use
	u.mu.Lock()
	defer u.mu.Unlock()
	u.loans--
	if u.ended {
		j.closeUnused()
	}
}

// Abandon ends the job.
func (j *Job) Abandon() { j.cancel(ErrUnread) }

// Expect notes that somebody waits for a job, which was perhaps begun in the background.
func (j *Job) Expect() { j.use.background.Store(false) }

// Background reports whether nobody has waited for the job.
func (j *Job) Background() bool { return j.use.background.Load() }

// unread ends the job when it has had no user for long enough.
func (j *Job) unread() {
	j.use.mu.Lock()
	defer j.use.mu.Unlock()
	if j.use.users == 0 {
		j.cancel(ErrUnread)
	}
}

// Run is the whole transfer; it is called once. When it has ended, and before those who wait
// for it learn that, verdict makes of the end the error that they get.
func (j *Job) Run(verdict func(End) error) {
	c := newCoordinator(j)
	err := c.run()
	if err == nil {
		err = j.keep()
	}
	j.finish(verdict(c.end(err)))
	if j.passage != nil {
		close(j.passage.leaves)
	}
}

func (j *Job) finish(err error) {
	u := &j.use
	u.mu.Lock()
	defer u.mu.Unlock()
	u.ended, j.end.err = true, err
	u.idle.Stop()
	close(j.end.done)
	j.closeUnused()
}

// keep makes a blob of what has come, even when this registry is stopping.
func (j *Job) keep() (err error) {
	ctx := context.WithoutCancel(j.ctx)
	switch leaf := j.here.leaf.Load(); {
	case leaf != nil && j.f.Blobs.Verified(j.ref):
	case leaf != nil:
		if j.here.unpin, err = j.f.Blobs.PutLeaf(ctx, j.ref.CID, *leaf); err != nil {
			err = NotKept(err)
		}
	case j.partial() != nil:
		err = j.partial().Finish(ctx)
	}
	return err
}

// closeUnused keeps what has arrived for a later transfer, unless it is still being read;
// use.mu is held.
func (j *Job) closeUnused() {
	if j.use.users > 0 || j.use.loans > 0 {
		return
	}
	if j.here.unpin != nil {
		j.here.unpin()
	}
	p := j.partial()
	if p == nil {
		return
	}
	if err := p.Close(); err != nil {
		j.log().WithError(err).Warn("cannot close the files of a blob that was on its way here")
	}
}

// Await waits until a leaf is here, but no longer than most or Timing.Ask.
func (j *Job) Await(ctx context.Context, leaf int, most time.Duration) {
	late := time.NewTimer(min(most, j.f.Timing.Ask))
	defer late.Stop()
	for {
		changed := j.Changed()
		if leaf >= dag.LeavesOf(j.ref.Size) || j.Has(leaf) {
			return
		}
		select {
		case <-changed:
		case <-late.C:
			return
		case <-j.Done():
			return
		case <-ctx.Done():
			return
		}
	}
}
