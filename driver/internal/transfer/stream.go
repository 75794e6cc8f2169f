package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
)

const (
	// window is how many verified leaves wait for the reader of a stream. With the one that
	// is arriving and the one that is being read, a stream has four leaves in memory.
	window = 2
	// maxStreamed is how many readers may be streamed to at once: 256 MiB.
	maxStreamed = 64
)

// stream reads a blob that cannot be kept: its leaves come one after the other from a
// member, are verified, handed to the one reader, and not kept. Its job is not shared, since
// it cannot feed others that fetch the blob. Like a file a stream is for one goroutine.
type stream struct {
	j      *job
	ctx    context.Context // of whoever reads
	offset int64
	rest   []byte // of the leaf that is being read
	once   sync.Once
}

// passage is the way by which leaves go from the job of a stream to its reader.
type passage struct {
	leaves chan []byte  // verified; closed when the job has ended
	passed atomic.Int64 // bytes of the leaves that were handed to the reader
	closed chan struct{}
}

// stream opens a stream, as Open does. why is why the blob cannot be kept, and is returned
// when there are too many streams.
func (t *Transfers) stream(ctx context.Context, ref dag.Ref, offset int64, why error) (io.ReadCloser, error) {
	j := newJob(t, ref, purpose{leaf: dag.LeafAt(offset)})
	j.passage = &passage{leaves: make(chan []byte, window), closed: make(chan struct{})}
	s := &stream{j: j, ctx: ctx, offset: offset}
	if err := t.admit(j, why); err != nil {
		j.cancel(err)
		return nil, err
	}
	go s.run()
	if err := s.await(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// admit counts the job of a stream until dismiss, and makes Close wait for it; the error is
// why when there are too many.
func (t *Transfers) admit(j *job, why error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case len(t.streams) == maxStreamed:
		return why
	case t.closed:
		return fmt.Errorf("fetch %s: %w", j.ref.CID, ErrClosing)
	}
	t.streams[j] = struct{}{}
	t.wg.Add(1)
	return nil
}

func (t *Transfers) dismiss(j *job) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.streams, j)
	t.wg.Done()
}

// run is the job, and lets the reader know its end after the last leaf.
func (s *stream) run() {
	defer close(s.j.passage.closed)
	defer s.j.t.dismiss(s.j)
	defer close(s.j.passage.leaves)
	stop := context.AfterFunc(s.ctx, func() { s.j.cancel(errUnread) })
	defer stop()
	s.j.run()
}

// handOn gives the reader a leaf. Time spent waiting for the reader does not count
// as waiting for members.
func (j *job) handOn(leaf []byte) error {
	j.meter.held.Add(1)
	defer j.meter.held.Add(-1)
	defer j.meter.progress()
	select {
	case j.passage.leaves <- leaf:
		j.passage.passed.Add(int64(len(leaf)))
		return nil
	case <-j.ctx.Done():
		return context.Cause(j.ctx)
	}
}

// await waits for bytes at the offset.
func (s *stream) await() error {
	for len(s.rest) == 0 {
		select {
		case leaf, ok := <-s.j.passage.leaves:
			if !ok && s.j.end.err != nil {
				return s.j.end.err
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

// Close ends the stream, and waits for that. One that was read to its end ends by itself.
func (s *stream) Close() error {
	s.once.Do(func() {
		if s.offset < s.j.ref.Size {
			s.j.cancel(errUnread)
		}
		<-s.j.passage.closed
	})
	return nil
}
