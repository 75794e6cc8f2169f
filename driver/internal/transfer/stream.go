package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/wire"
)

const (
	// window is how many verified leaves wait for the reader of a stream. With the one that
	// is arriving and the one that is being read, a stream has four leaves in memory.
	window = 2
	// maxStreamed is how many readers may be streamed to at once: 256 MiB.
	maxStreamed = 64
)

// stream reads a blob that cannot be kept: its leaves come one after the other from a member, are verified, handed to the one reader, and not kept. Its job finds holders,
// and is not shared, since it cannot feed others that fetch the blob. Like a file a stream
// is for one goroutine.
type stream struct {
	j      *job
	ctx    context.Context // of whoever reads
	offset int64
	leaves chan []byte // verified; closed at the end, when err is set
	err    error
	rest   []byte       // of the leaf that is being read
	passed atomic.Int64 // bytes of the leaves that were handed to the reader
	once   sync.Once
	done   chan struct{} // closed when all of its goroutines have ended
}

// stream opens a stream, as Open does. why is why the blob cannot be kept, and is returned
// when there are too many streams.
func (t *Transfers) stream(ctx context.Context, ref dag.Ref, offset int64, why error) (io.ReadCloser, error) {
	s := &stream{
		j: newJob(t, ref, purpose{leaf: -1}), ctx: ctx, offset: offset,
		leaves: make(chan []byte, window), done: make(chan struct{}),
	}
	if err := t.admit(s, why); err != nil {
		s.j.cancel(err)
		return nil, err
	}
	s.j.unkept = true
	go s.run()
	if err := s.await(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// admit counts a stream until dismiss, and makes Close wait for it; the error is why when
// there are too many.
func (t *Transfers) admit(s *stream, why error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case len(t.streams) == maxStreamed:
		return why
	case t.closed:
		return fmt.Errorf("fetch %s: %w", s.j.ref.CID, ErrClosing)
	}
	t.streams[s] = struct{}{}
	t.wg.Add(1)
	return nil
}

func (t *Transfers) dismiss(s *stream) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.streams, s)
	t.wg.Done()
}

// run does all of the work, and waits for all goroutines that took part.
func (s *stream) run() {
	defer close(s.done)
	defer s.j.t.dismiss(s)
	stop := context.AfterFunc(s.ctx, func() { s.j.cancel(errUnread) })
	defer stop()
	var wg sync.WaitGroup
	s.j.presume()
	wg.Go(s.j.discover)
	wg.Go(s.j.watch)
	wg.Go(func() {
		if err := s.feed(); err != nil {
			s.j.cancel(err)
		}
		s.j.cancel(errWhole)
		s.end()
	})
	wg.Wait()
}

// end tells the reader, after the last leaf, how the stream ended.
func (s *stream) end() {
	cause := context.Cause(s.j.ctx)
	if errors.Is(cause, errWhole) {
		cause = nil
	}
	s.err = s.j.verdict(cause)
	s.j.report(s.err)
	close(s.leaves)
}

// feed gets the leaves from the one at the offset on.
func (s *stream) feed() error {
	layout, _, err := s.j.learn()
	if err != nil {
		return err
	}
	s.j.progress()
	most := 1 // leaves of the next request: few until the reader shows that it goes on
	for leaf := leafAt(s.offset); leaf < layout.Leaves(); {
		id, ok := s.holder(leaf)
		if !ok {
			return context.Cause(s.j.ctx)
		}
		if id == "" {
			if s.byBitswap(layout, leaf) == nil {
				leaf++
			}
			continue
		}
		n := 1
		if s.j.roster.holds(id) {
			n = min(most, layout.Leaves()-leaf)
		}
		r := &run{first: leaf, from: leaf, to: leaf + n, id: id, began: time.Now()}
		s.j.plan.claim(r)
		err := s.receive(layout, r)
		s.j.plan.release(r)
		s.j.settle(s.j.ctx, id, err)
		leaf, most = r.from, min(2*most, maxRun)
	}
	return nil
}

// holder waits for a holder of a leaf and takes it; "" when no member is one, and other
// peers may be asked by bitswap. False when the stream ends.
func (s *stream) holder(leaf int) (peer.ID, bool) {
	for {
		changed := s.j.changed.wait()
		if s.j.ctx.Err() != nil {
			return "", false
		}
		if id, ok := s.j.roster.pick(leaf); ok {
			return id, true
		}
		if s.j.t.cfg.Bitswap != nil && s.j.asked.Load() && !s.j.roster.enough() {
			return "", true
		}
		select {
		case <-changed:
		case <-s.j.ctx.Done():
			return "", false
		}
	}
}

// receive hands on the leaves of a run as they come; run.from is the next one.
func (s *stream) receive(layout *dag.Layout, r *run) error {
	ctx, cancel := context.WithCancelCause(s.j.ctx)
	defer cancel(nil)
	g := newGuard(s.j, r, cancel)
	defer g.stop()
	_, from, _ := layout.Leaf(r.from)
	_, last, length := layout.Leaf(r.to - 1)
	body, err := s.j.t.client.Span(ctx, r.id, s.j.ref.CID, from, last+length, wire.Terms{})
	if err != nil {
		return wire.Because(ctx, r.id, err)
	}
	defer func() { _ = body.Close() }()
	g.body = body
	for r.from < r.to {
		_, _, length := layout.Leaf(r.from)
		leaf := make([]byte, length)
		g.begin()
		if _, err := io.ReadFull(g, leaf); err != nil {
			return wire.Because(ctx, r.id, err)
		}
		if !layout.Matches(r.from, leaf) {
			return wire.Blame(r.id, &wrongLeaf{r.from, blob.ErrBadLeaf})
		}
		g.stop() // the reader may take its time
		if !s.hand(leaf) {
			return context.Cause(s.j.ctx)
		}
		s.j.plan.pass(r)
	}
	return drained(body)
}

// byBitswap hands on a leaf from peers that are no members.
func (s *stream) byBitswap(layout *dag.Layout, leaf int) error {
	j := s.j
	ctx, cancel := context.WithTimeout(j.ctx, 2*j.t.timing.ask)
	defer cancel()
	c, _, _ := layout.Leaf(leaf)
	b, err := j.t.cfg.Bitswap(ctx, c)
	if err == nil && !layout.Matches(leaf, b) {
		err = wire.ErrLied
	}
	if err != nil {
		j.bitswapFailed.Store(true)
		return err
	}
	j.received(len(b))
	j.bitswapWorks.Store(true)
	if !s.hand(b) {
		return context.Cause(j.ctx)
	}
	return nil
}

// hand gives the reader a leaf; false when the stream ends before it is taken. Time spent
// waiting for the reader does not count as waiting for members.
func (s *stream) hand(leaf []byte) bool {
	s.j.plan.hashing.Store(true)
	defer s.j.plan.hashing.Store(false)
	defer s.j.progress()
	select {
	case s.leaves <- leaf:
		s.passed.Add(int64(len(leaf)))
		return true
	case <-s.j.ctx.Done():
		return false
	}
}

// await waits for bytes at the offset.
func (s *stream) await() error {
	for len(s.rest) == 0 {
		select {
		case leaf, ok := <-s.leaves:
			if !ok && s.err != nil {
				return s.err
			}
			if !ok {
				return fmt.Errorf("read %s at %d: %w", s.j.ref.CID, s.offset, io.ErrUnexpectedEOF)
			}
			s.rest = leaf[s.offset%dag.LeafSize:]
		case <-s.ctx.Done():
			return s.ctx.Err()
		}
	}
	return nil
}

// Read implements io.Reader. It never ends early as if the blob were complete.
func (s *stream) Read(b []byte) (int, error) {
	if s.offset >= s.j.ref.Size {
		return 0, io.EOF
	}
	if err := s.await(); err != nil {
		return 0, err
	}
	n := copy(b, s.rest)
	s.rest = s.rest[n:]
	s.offset += int64(n)
	return n, nil
}

// Close ends the stream, and waits for that.
func (s *stream) Close() error {
	s.once.Do(func() {
		s.j.cancel(errUnread)
		<-s.done
	})
	return nil
}
