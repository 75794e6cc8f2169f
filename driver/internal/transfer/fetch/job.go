package fetch

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/sirupsen/logrus"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/time/rate"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/spans"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/signal"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/story"
)

// Job is the transfer of one blob, as everything that takes part in it shares it. It is safe
// for concurrent use; the state of the transfer belongs to its coordinator. The first cause
// with which the context is canceled says how the job ended: errWhole, or why it failed.
type Job struct {
	f       *Fetcher
	ref     dag.Ref
	why     Purpose
	passage *passage // nil: the leaves that come are kept
	ctx     context.Context
	cancel  context.CancelCauseFunc
	span    trace.Span
	events  chan event     // to the coordinator
	news    *signal.Signal // of a leaf that has come, or of a holder
	here    here
	meter   meter
	use     use
	end     end
}

// Ref returns the blob that the job fetches.
func (j *Job) Ref() dag.Ref { return j.ref }

// Born returns when the job was made.
func (j *Job) Born() time.Time { return j.meter.born }

// Changed returns a channel that is closed at the next news: a leaf has come, or more is known
// of the blob or of its holders.
func (j *Job) Changed() <-chan struct{} { return j.news.Wait() }

// Torn reports whether perhaps nobody has the missing leaves, because only damaged copies are
// known.
func (j *Job) Torn() bool { return j.here.torn.Load() }

// Done returns a channel that is closed when the transfer, with all that it started, has ended.
func (j *Job) Done() <-chan struct{} { return j.end.done }

// Err returns how the job ended, by the verdict of Run; nil when the whole blob has come. Call it
// only after Done is closed.
func (j *Job) Err() error { return j.end.err }

// Landed reports whether all leaves of the blob are here, though it may not be kept yet. It is
// false for a stream.
func (j *Job) Landed() bool {
	return j.passage == nil && j.Verified().Count() == dag.LeavesOf(j.ref.Size)
}

func (j *Job) log() *logrus.Entry { return j.f.Log.WithField("cid", j.ref.CID) }

// Purpose says why a transfer is begun.
type Purpose struct {
	Leaf       int     // the leaf that a reader waits for; negative: there is none
	Likely     peer.ID // the member that is asked before the others; empty: there is none
	Background bool    // no reader waits for the blob
	// Pace bounds how fast the leaves come, as long as no reader waits; nil: nothing does. Its
	// burst is at least dag.LeafSize.
	Pace *rate.Limiter
	Room time.Duration // for which room was waited for before the transfer began
	// Within is the span of whoever wants the blob; invalid: the transfer is in no trace.
	Within trace.SpanContext
}

// end is how a job ended.
type end struct {
	stopped chan struct{} // closed when the coordinator takes no more events
	done    chan struct{} // closed when everything has ended; err is set before that
	err     error

	mu   sync.Mutex
	late []landed // with which the coordinator was no longer reached
}

// note keeps a leaf that came with the last one: who sent it is told even though nothing is decided
// any more.
func (e *end) note(l landed) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.late = append(e.late, l)
}

// End is what a transfer leaves behind.
type End struct {
	Cause    error     // why it failed, ErrStalled for example; nil: the whole blob came
	Asked    []peer.ID // the members that were asked, sorted
	Last     error     // how a holder failed: the last that lied, else the last; nil: none did
	Received int64     // bytes, useful or not
	Story    story.Story
}

// New makes the transfer of a blob that is to be kept. Nothing happens before Run.
func (f *Fetcher) New(ref dag.Ref, why Purpose) *Job {
	j := &Job{
		f: f, ref: ref, why: why,
		events: make(chan event, maxQueued), news: signal.New(),
		here:  here{laidOut: make(chan struct{})},
		meter: meter{born: time.Now()},
		end:   end{stopped: make(chan struct{}), done: make(chan struct{})},
	}
	j.ctx, j.span = spans.Start(spans.Below(f.ctx, why.Within), "ipfs transfer", trace.SpanKindInternal)
	j.ctx, j.cancel = context.WithCancelCause(j.ctx)
	j.use.background.Store(why.Background)
	j.use.idle = time.AfterFunc(f.Timing.Linger, j.unread)
	j.use.idle.Stop()
	return j
}

// use is who uses a job.
type use struct {
	background atomic.Bool // no reader has waited for the blob

	mu    sync.Mutex
	users int
	loans int // requests of members that are being answered from it
	ended bool
	idle  *time.Timer
}

// Enter adds a user, until Leave. It returns false when the job has ended or is about to end
// without the blob, so that a new one is needed.
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

// Leave removes a user. The job goes on for Timing.Linger after the last one has left.
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

// Users returns how many readers and other users of this registry wait for the blob.
func (j *Job) Users() int {
	j.use.mu.Lock()
	defer j.use.mu.Unlock()
	return j.use.users
}

// Lend keeps what is here open for a member, until GiveBack. It returns false when the job has
// ended. A loan does not count as a user, because nobody on this registry waits for the blob.
func (j *Job) Lend() bool {
	u := &j.use
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.ended {
		u.loans++
	}
	return !u.ended
}

// GiveBack ends a loan that Lend began.
func (j *Job) GiveBack() {
	u := &j.use
	u.mu.Lock()
	defer u.mu.Unlock()
	u.loans--
	if u.ended {
		j.closeUnused()
	}
}

// Abandon ends the job with ErrUnread, unless it is ending already.
func (j *Job) Abandon() { j.cancel(ErrUnread) }

// Expect notes that somebody waits for the job, which may have begun in the background.
func (j *Job) Expect() { j.use.background.Store(false) }

// Background reports whether nobody has waited for the job so far.
func (j *Job) Background() bool { return j.use.background.Load() }

// unread ends the job if it still has no user. The idle timer calls it.
func (j *Job) unread() {
	j.use.mu.Lock()
	defer j.use.mu.Unlock()
	if j.use.users == 0 {
		j.cancel(ErrUnread)
	}
}

// Run carries out the whole transfer. Call it once. When the transfer has ended, Run has verdict
// turn the End into the error that Err returns, and only then closes Done.
func (j *Job) Run(verdict func(End) error) {
	c := newCoordinator(j)
	err := c.run()
	if err == nil {
		c.record.Turn(time.Now(), story.Disk)
		err = j.keep()
	}
	end := c.end(err)
	err = verdict(end)
	j.tellSpan(end, c.ordered, err)
	j.finish(err)
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

// keep turns what has come into a blob, even when this registry is stopping.
func (j *Job) keep() (err error) {
	ctx := context.WithoutCancel(j.ctx)
	switch leaf := j.here.leaf.Load(); {
	case leaf != nil && j.f.Blobs.Verified(j.ref):
	case leaf != nil:
		if j.here.unpin, err = j.f.Blobs.PutLeaf(ctx, leaf); err != nil {
			err = NotKept(err)
		}
	case j.partial() != nil:
		err = j.partial().Finish(ctx)
	}
	return err
}

// closeUnused closes the blob's files, and leaves what has arrived to a later transfer, unless
// somebody still reads it. use.mu is held.
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
		j.log().WithError(err).Warn("cannot close the files of a blob that was being fetched")
	}
}

// Await waits until a leaf is here, the job has ended or ctx is done, but no longer than most or
// Timing.Ask.
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
