package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/wire"
)

// perform carries out an order. Each leaf enters by take.
func (j *Job) perform(o *order) error {
	var buf []byte
	if j.small() {
		buf = make([]byte, j.ref.Size) // it becomes the blob
	} else {
		pooled := j.f.buffers.Get().(*[dag.LeafSize]byte)
		defer j.f.buffers.Put(pooled)
		buf = pooled[:]
	}
	if !o.pieces {
		return j.receive(o, buf)
	}
	_, length := spanOf(j.ref, o.from)
	part := buf[:length]
	if err := j.inPieces(o, part); err != nil {
		return err
	}
	o.works(true)
	wait := j.charge(len(part))
	select {
	case <-j.here.laidOut:
		err := j.take(o.from, part, o)
		j.breathe(wait)
		return err
	case <-j.ctx.Done():
		return context.Cause(j.ctx)
	}
}

// take is the only way in for a leaf: it verifies the leaf, keeps it or hands it on, and announces
// it. The order that brought it is nil when no member did. The error for wrong bytes is
// wire.ErrLied. When this machine fails, for example because its disk is full, the job ends.
func (j *Job) take(leaf int, b []byte, of *order) error {
	var err error
	switch {
	case j.small():
		err = j.hold(b)
	case j.passage == nil:
		err = j.here.partial.Put(leaf, b)
	case !j.here.layout.Matches(leaf, b):
		err = blob.ErrBadLeaf
	default:
		err = j.handOn(slices.Clone(b))
	}
	switch {
	case errors.Is(err, blob.ErrBadLeaf):
		err = &wrongLeaf{leaf, err}
		if of != nil {
			err = wire.Blame(of.holder, err)
		}
		return err
	case err != nil:
		j.cancel(NotKept(err))
		return err
	}
	if of != nil && j.f.Sent != nil {
		j.f.Sent(of.holder)
	}
	if e := (landed{leaf, of}); !j.send(e) {
		j.end.note(e)
	}
	return nil
}

// hold takes the only leaf of a blob into memory, until it is kept; b is nobody else's.
func (j *Job) hold(b []byte) error {
	leaf, err := blob.NewLeaf(j.here.layout, b)
	if err == nil {
		j.here.leaf.CompareAndSwap(nil, leaf)
	}
	return err
}

// receive streams the leaves of an order from its holder.
func (j *Job) receive(o *order, buf []byte) error {
	leaf, to := o.from, int(o.flow.to.Load())
	if leaf >= to {
		return nil
	}
	g := newGuard(j, o)
	defer g.stop()
	from, _ := spanOf(j.ref, leaf)
	last, length := spanOf(j.ref, to-1)
	body, err := j.f.Client.Span(o.ctx, o.holder, j.ref.CID, from, last+length, o.terms)
	if err != nil {
		return wire.Because(o.ctx, o.holder, err)
	}
	defer func() { _ = body.Close() }()
	o.flow.road.Store(int32(wire.RoadOf(body)))
	g.body = body
	var tooMuch error
	for ; leaf < int(o.flow.to.Load()); leaf++ {
		_, length := spanOf(j.ref, leaf)
		part := buf[:length]
		g.begin()
		if _, err := io.ReadFull(g, part); err != nil {
			return wire.Because(o.ctx, o.holder, err)
		}
		if leaf == to-1 {
			// This comes before the leaf is announced: with it the transfer may end, and cut
			// the connection.
			tooMuch = drained(g)
		}
		g.stop() // the holder is not to blame for how long take lasts
		o.works(true)
		wait := j.charge(len(part))
		if err := j.take(leaf, part, o); err != nil {
			return err
		}
		j.breathe(wait)
		o.works(false)
	}
	if tooMuch != nil {
		return wire.Blame(o.holder, tooMuch)
	}
	return nil
}

// inPieces receives a leaf over several connections at once. That takes fewer round trips than
// one connection that has yet to find its speed. It verifies nothing. The error is a
// wire.RelayedError when the holder names others.
func (j *Job) inPieces(o *order, buf []byte) error {
	begin, _ := spanOf(j.ref, o.from)
	size := max((len(buf)+o.hold.seats-1)/o.hold.seats, minPiece)
	g, ctx := errgroup.WithContext(o.ctx)
	var refused atomic.Pointer[error]
	for at := 0; at < len(buf); at += size {
		part := buf[at:min(at+size, len(buf))]
		g.Go(func() error {
			err := j.piece(ctx, o, begin+int64(at), part)
			if relayed := new(wire.RelayedError); errors.As(err, &relayed) || errors.Is(err, wire.ErrNotYet) {
				refused.Store(&err) // not returned, because that would cut the other connections
				return nil
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return wire.Because(o.ctx, o.holder, err)
	}
	if err := refused.Load(); err != nil {
		return *err
	}
	return nil
}

// piece receives one part of a leaf. When that fails, the other parts are cut as well.
func (j *Job) piece(ctx context.Context, o *order, from int64, part []byte) error {
	guard := newGuard(j, o)
	defer guard.stop()
	body, err := j.f.Client.Span(ctx, o.holder, j.ref.CID, from, from+int64(len(part)), o.terms)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	o.flow.road.Store(int32(wire.RoadOf(body)))
	guard.body = body
	if _, err = io.ReadFull(guard, part); err != nil {
		return err
	}
	return drained(guard)
}

// drained reads a body to its end, so that its connection can be used again. It is no error when
// the end does not come, because all that was asked for is here.
func drained(body io.Reader) error {
	var b [1]byte
	if n, _ := body.Read(b[:]); n > 0 {
		return fmt.Errorf("more than was asked for: %w", wire.ErrLied)
	}
	return nil
}

// guard is the body of an answer to an order. It cuts the order when no byte comes for a while,
// and tells the coordinator when a leaf takes long, which cuts the order if another holder could
// send the leaf faster.
type guard struct {
	j             *Job
	o             *order
	body          io.Reader
	silence, slow *time.Timer
}

// newGuard makes a guard. It is made before the request is sent, so that it guards the wait for
// the answer as well.
func newGuard(j *Job, o *order) *guard {
	silence := j.f.Timing.Silence
	if o.patience > 0 {
		silence = o.patience * 3 / 2
	}
	return &guard{
		j: j, o: o,
		silence: time.AfterFunc(silence, func() { o.cut(wire.ErrSilent) }),
		slow:    time.AfterFunc(j.f.Timing.Slow, func() { j.send(slow{o}) }),
	}
}

// begin notes that a leaf begins.
func (g *guard) begin() { g.slow.Reset(g.j.f.Timing.Slow) }

// Read implements io.Reader. Only the wait for bytes counts as silence, not the time that it takes
// to process them.
func (g *guard) Read(b []byte) (int, error) {
	g.silence.Reset(g.j.f.Timing.Silence)
	n, err := g.body.Read(b)
	g.silence.Stop()
	if n > 0 {
		since := int64(time.Since(g.o.began))
		if g.o.flow.got.Add(int64(n)) == int64(n) {
			g.o.flow.first.Store(max(since, 1))
		}
		g.o.flow.last.Store(since)
		g.j.meter.flows()
	}
	g.j.received(n)
	return n, err
}

func (g *guard) stop() {
	g.silence.Stop()
	g.slow.Stop()
}

// wrongLeaf is a wire.ErrLied that names the leaf.
type wrongLeaf struct {
	leaf int
	err  error
}

func (e *wrongLeaf) Error() string   { return fmt.Sprintf("%s: %s", wire.ErrLied, e.err) }
func (e *wrongLeaf) Unwrap() []error { return []error{wire.ErrLied, e.err} }

// meter measures what comes, and when. It is safe for concurrent use.
type meter struct {
	born   time.Time
	got    atomic.Int64 // bytes received, useful or not
	flowed atomic.Int64 // when the last byte of a leaf came, in nanoseconds since born
	moved  atomic.Int64 // when the last progress was made, likewise
	held   atomic.Int32 // leaves that wait for a reader, not for a member
}

// received counts bytes that came from a member or by bitswap.
func (j *Job) received(n int) {
	j.meter.got.Add(int64(n))
	j.f.in.Add(int64(n))
}

// flows notes that bytes of an unfinished leaf are coming.
func (m *meter) flows() { m.flowed.Store(int64(time.Since(m.born))) }

// progress notes that something was verified, hashed or handed on.
func (m *meter) progress() { m.moved.Store(int64(time.Since(m.born))) }

// still returns how long no progress has been made.
func (m *meter) still() time.Duration { return time.Since(m.born) - time.Duration(m.moved.Load()) }

// flowing returns how long no byte of a leaf has come.
func (m *meter) flowing() time.Duration { return time.Since(m.born) - time.Duration(m.flowed.Load()) }

// quiet returns how long no byte has come, and no progress has been made.
func (m *meter) quiet() time.Duration {
	return time.Since(m.born) - time.Duration(max(m.moved.Load(), m.flowed.Load()))
}
