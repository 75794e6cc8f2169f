package blob

import (
	"context"
	"fmt"
	"hash"
	"io"
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
)

// hasher hashes leaves in parallel, on as many workers as there are processors. All its
// callers share its buffers, so that its memory is bounded.
type hasher struct {
	workers int
	slots   *semaphore.Weighted
	pool    sync.Pool
}

func newHasher() *hasher {
	workers := runtime.GOMAXPROCS(0)
	return &hasher{
		workers: workers,
		slots:   semaphore.NewWeighted(int64(2*workers + 2)),
		pool:    sync.Pool{New: func() any { return new([dag.LeafSize]byte) }},
	}
}

// buffer is a leaf's bytes, given back when its last user has released it.
type buffer struct {
	from  *hasher
	mem   *[dag.LeafSize]byte
	bytes []byte
	users atomic.Int32
}

func (h *hasher) buffer(ctx context.Context, length int64) (*buffer, error) {
	if err := h.slots.Acquire(ctx, 1); err != nil {
		return nil, fmt.Errorf("wait for a buffer: %w", err)
	}
	mem := h.pool.Get().(*[dag.LeafSize]byte)
	b := &buffer{from: h, mem: mem, bytes: mem[:length]}
	b.users.Store(1)
	return b, nil
}

func (b *buffer) release() {
	if b.users.Add(-1) == 0 {
		b.from.pool.Put(b.mem)
		b.from.slots.Release(1)
	}
}

// file hashes the leaves of size bytes of r with f, and feeds the bytes in order to
// whole unless that is nil. The bytes are read once.
func (h *hasher) file(ctx context.Context, r io.ReaderAt, size int64, f dag.Function, whole hash.Hash) ([]byte, error) {
	n := dag.Profile().Leaves(size)
	sums := make([]byte, n*dag.SumSize)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(h.workers + 2) // this reader and the one that hashes the whole
	var inOrder chan *buffer
	if whole != nil {
		inOrder = make(chan *buffer, 1)
		g.Go(func() error {
			for b := range inOrder {
				whole.Write(b.bytes) // a hash never fails
				b.release()
			}
			return nil
		})
	}
	g.Go(func() error {
		if inOrder != nil {
			defer close(inOrder)
		}
		for i := range n {
			offset, length := dag.Profile().Span(i, size)
			b, err := h.read(ctx, r, offset, length)
			if err != nil {
				return fmt.Errorf("hash leaf %d: %w", i, err)
			}
			if inOrder != nil {
				b.users.Add(1)
				inOrder <- b // received in any case: its reader goes on until the close
			}
			g.Go(func() error {
				defer b.release()
				sum := f.Sum(b.bytes)
				copy(sums[i*dag.SumSize:], sum[:])
				return nil
			})
		}
		return nil
	})
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return sums, nil
}

// read fills a buffer.
func (h *hasher) read(ctx context.Context, r io.ReaderAt, offset, length int64) (*buffer, error) {
	b, err := h.buffer(ctx, length)
	if err != nil {
		return nil, err
	}
	if err := readFull(r, b.bytes, offset); err != nil {
		b.release()
		return nil, err
	}
	return b, nil
}

// verify hashes leaf i of l in r.
func (h *hasher) verify(ctx context.Context, r io.ReaderAt, l *dag.Layout, i int) (bool, error) {
	offset, length := l.Span(i)
	b, err := h.read(ctx, r, offset, length)
	if err != nil {
		return false, fmt.Errorf("check leaf %d: %w", i, err)
	}
	defer b.release()
	return l.Matches(i, b.bytes), nil
}

// readFull fills b from r; a file that ends early is io.ErrUnexpectedEOF.
func readFull(r io.ReaderAt, b []byte, offset int64) error {
	n, err := r.ReadAt(b, offset)
	if n == len(b) {
		return nil
	}
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
