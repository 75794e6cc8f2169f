package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/spans"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/fetch"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/story"
)

// maxStreamed is how many readers may be streamed to at once. Together they take up to 256 MiB of
// memory.
const maxStreamed = 64

// stream reads a blob that cannot be kept. Its leaves come one after the other, are verified, and
// are handed to the one reader. Its job is not shared, since it keeps nothing that other readers
// could read. A stream is for one goroutine.
type stream struct {
	job    *fetch.Job
	ctx    context.Context // of the client that reads
	offset int64
	rest   []byte        // of the leaf that is being read
	closed chan struct{} // closed when the job has ended and is forgotten
	once   sync.Once
}

// stream opens a stream, as Open does. The error why says why the blob cannot be kept. It is
// returned when there are too many streams.
func (t *Transfers) stream(ctx context.Context, ref dag.Ref, offset int64, why error) (io.ReadCloser, error) {
	j := t.fetcher.NewStream(ref, dag.LeafAt(offset), spans.Of(ctx))
	s := &stream{job: j, ctx: ctx, offset: offset, closed: make(chan struct{})}
	if err := t.underway.admit(j, why); err != nil {
		j.Abandon()
		return nil, err
	}
	t.stories.join(j, story.Client, false)
	go s.run(t)
	if err := s.await(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// admit counts the job of a stream until dismiss, and makes Close wait for it. When there are too
// many streams, it returns the error why.
func (u *underway) admit(j *fetch.Job, why error) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case len(u.streams) == maxStreamed:
		return why
	case u.closed:
		return fmt.Errorf("fetch %s: %w", j.Ref().CID, ErrClosing)
	}
	u.streams[j] = struct{}{}
	u.wg.Add(1)
	return nil
}

func (u *underway) dismiss(j *fetch.Job) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.streams, j)
	u.wg.Done()
}

// run carries out the job, which ends when its reader does.
func (s *stream) run(t *Transfers) {
	defer close(s.closed)
	defer t.underway.dismiss(s.job)
	stop := context.AfterFunc(s.ctx, s.job.Abandon)
	defer stop()
	t.run(s.job)
}

// await waits for bytes at the offset.
func (s *stream) await() error {
	for len(s.rest) == 0 {
		select {
		case leaf, ok := <-s.job.Leaves():
			if !ok && s.job.Err() != nil {
				return s.job.Err()
			}
			if !ok {
				return fmt.Errorf("read %s at %d: %w", s.job.Ref().CID, s.offset, io.ErrUnexpectedEOF)
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
	if s.offset >= s.job.Ref().Size {
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

// Close ends the stream, and waits until it has ended. A stream that was read to its end ends by
// itself.
func (s *stream) Close() error {
	s.once.Do(func() {
		if s.offset < s.job.Ref().Size {
			s.job.Abandon()
		}
		<-s.closed
	})
	return nil
}
