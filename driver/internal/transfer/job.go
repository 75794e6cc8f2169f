package transfer

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/sirupsen/logrus"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/bitset"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/signal"
)

// job is the one transfer of a blob: what all who have to do with it share. Its state is its
// coordinator's. The first cause with which its context is canceled is how it ended:
// errWhole, or why it failed.
type job struct {
	t       *Transfers
	ref     dag.Ref
	why     purpose
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

func (j *job) log() *logrus.Entry { return j.t.log.WithField("cid", j.ref.CID) }

// purpose is what a transfer is begun for.
type purpose struct {
	leaf       int     // that a reader waits for; negative: there is none
	likely     peer.ID // a member that is asked before the others; empty: none
	background bool    // no reader waits for it
}

// here is what has arrived of a blob.
type here struct {
	laidOut chan struct{} // closed when the fields below are set
	layout  *dag.Layout
	partial *blob.Partial // nil: nothing is kept, or the blob has one leaf
	// leaf is all of a blob that has one leaf. It goes to whoever waits for it from memory,
	// and is kept when it is whole.
	leaf  atomic.Pointer[[]byte]
	unpin blob.Unpin  // of a blob of one leaf; nil: it is not kept
	torn  atomic.Bool // it is possible that nobody has the rest; the coordinator's
}

// meter counts what comes. It is safe for concurrent use.
type meter struct {
	born   time.Time
	got    atomic.Int64 // bytes received, useful or not
	flowed atomic.Int64 // last byte, nanoseconds since born
	moved  atomic.Int64 // last progress, likewise
	held   atomic.Int32 // leaves that wait for a reader, not for a member
}

// end is how a job ended.
type end struct {
	stopped chan struct{} // closed when the coordinator takes no more events
	done    chan struct{} // closed when all has ended; err is set before
	err     error
}

func newJob(t *Transfers, ref dag.Ref, why purpose) *job {
	j := &job{
		t: t, ref: ref, why: why,
		events: make(chan event, maxQueued), news: signal.New(),
		here:  here{laidOut: make(chan struct{})},
		meter: meter{born: time.Now()},
		end:   end{stopped: make(chan struct{}), done: make(chan struct{})},
	}
	j.ctx, j.cancel = context.WithCancelCause(t.ctx)
	j.use.background.Store(why.background)
	j.use.idle = time.AfterFunc(t.timing.linger, j.unread)
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

// enter adds a user; false when the job is about to end without the blob, and a new one is
// needed.
func (j *job) enter() bool {
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

func (j *job) leave() {
	u := &j.use
	u.mu.Lock()
	defer u.mu.Unlock()
	u.users--
	switch {
	case u.users > 0:
	case u.ended:
		j.closeUnused()
	default:
		u.idle.Reset(j.t.timing.linger)
	}
}

// users is how many readers and others of this registry wait for the blob.
func (j *job) users() int {
	j.use.mu.Lock()
	defer j.use.mu.Unlock()
	return j.use.users
}

// lend keeps what is here open for a member, until giveBack; false when the job has ended.
// A loan is no user: there is no reader on this registry.
func (j *job) lend() bool {
	u := &j.use
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.ended {
		u.loans++
	}
	return !u.ended
}

func (j *job) giveBack() {
	u := &j.use
	u.mu.Lock()
	defer u.mu.Unlock()
	u.loans--
	if u.ended {
		j.closeUnused()
	}
}

// unread ends the job when it has had no user for long enough.
func (j *job) unread() {
	j.use.mu.Lock()
	defer j.use.mu.Unlock()
	if j.use.users == 0 {
		j.cancel(errUnread)
	}
}

// run is the whole transfer.
func (j *job) run() {
	c := newCoordinator(j)
	err := c.run()
	if err == nil {
		err = j.keep()
	}
	err = c.verdict(err)
	c.report(err)
	j.t.forget(j)
	u := &j.use
	u.mu.Lock()
	defer u.mu.Unlock()
	u.ended, j.end.err = true, err
	u.idle.Stop()
	close(j.end.done)
	j.closeUnused()
}

// keep makes a blob of what has come, even when this registry is stopping.
func (j *job) keep() (err error) {
	ctx := context.WithoutCancel(j.ctx)
	switch leaf := j.here.leaf.Load(); {
	case leaf != nil && j.t.cfg.Blobs.Verified(j.ref):
	case leaf != nil:
		if j.here.unpin, err = j.t.cfg.Blobs.PutLeaf(ctx, j.ref.CID, *leaf); err != nil {
			err = notKept(err)
		}
	case j.partial() != nil:
		err = j.partial().Finish(ctx)
	}
	return err
}

// closeUnused keeps what has arrived for a later transfer, unless it is still being read;
// use.mu is held.
func (j *job) closeUnused() {
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

// layout is how the blob's leaves lie; nil until that is known.
func (j *job) layout() *dag.Layout {
	select {
	case <-j.here.laidOut:
		return j.here.layout
	default:
		return nil
	}
}

// partial is what has arrived; nil until the layout is known, and when nothing is kept.
func (j *job) partial() *blob.Partial {
	if j.layout() == nil {
		return nil
	}
	return j.here.partial
}

// small reports whether the blob is held in memory until it is kept.
func (j *job) small() bool { return j.passage == nil && dag.LeavesOf(j.ref.Size) == 1 }

// content is what has arrived of the blob, to be read where it is verified; nil until
// something can be.
func (j *job) content() io.ReaderAt {
	if leaf := j.here.leaf.Load(); leaf != nil {
		return bytes.NewReader(*leaf)
	}
	if p := j.partial(); p != nil {
		return p
	}
	return nil
}

// has reports whether leaf i is here and verified.
func (j *job) has(i int) bool {
	if j.here.leaf.Load() != nil {
		return i == 0
	}
	p := j.partial()
	return p != nil && p.Have(i)
}

// verified returns the leaves that others may ask for; nil until the layout is known. It
// hashes nothing: a leaf that an earlier run left counts only once it was hashed.
func (j *job) verified() bitset.Set {
	if j.here.leaf.Load() != nil {
		return bitset.Full(1)
	}
	p := j.partial()
	if p == nil {
		return nil
	}
	return p.Verified()
}

// received counts bytes that came from a member, or by bitswap.
func (j *job) received(n int) {
	j.meter.got.Add(int64(n))
	j.t.in.Add(int64(n))
}

// flows notes that bytes of an unfinished leaf are coming.
func (m *meter) flows() { m.flowed.Store(int64(time.Since(m.born))) }

// progress notes that something was verified.
func (m *meter) progress() { m.moved.Store(int64(time.Since(m.born))) }

// still is for how long nothing was verified.
func (m *meter) still() time.Duration { return time.Since(m.born) - time.Duration(m.moved.Load()) }

// flowing is for how long no byte has come of a leaf.
func (m *meter) flowing() time.Duration { return time.Since(m.born) - time.Duration(m.flowed.Load()) }

// quiet is for how long no byte has come.
func (m *meter) quiet() time.Duration {
	return time.Since(m.born) - time.Duration(max(m.moved.Load(), m.flowed.Load()))
}
