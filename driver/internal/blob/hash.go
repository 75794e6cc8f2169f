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
		pool:    sync.Pool{New: func() any { return new([LeafSize]byte) }},
	}
}

// buffer is a leaf's bytes, given back when its last user released it.
type buffer struct {
	from  *hasher
	mem   *[LeafSize]byte
	bytes []byte
	users atomic.Int32
}

func (h *hasher) buffer(ctx context.Context, length int64) (*buffer, error) {
	if err := h.slots.Acquire(ctx, 1); err != nil {
		return nil, fmt.Errorf("wait for a buffer: %w", err)
	}
	mem := h.pool.Get().(*[LeafSize]byte)
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
func (h *hasher) file(ctx context.Context, r io.ReaderAt, size int64, f Function, whole hash.Hash) ([]byte, error) {
	n := profile().leaves(size)
	l := &Layout{Size: size, LeafSize: LeafSize, function: f, sums: make([]byte, n*sumSize)}
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
			if err := h.leaf(ctx, g, r, l, i, inOrder); err != nil {
				return err
			}
		}
		return nil
	})
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return l.sums, nil
}

// leaf reads leaf i and hands it on.
func (h *hasher) leaf(ctx context.Context, g *errgroup.Group, r io.ReaderAt, l *Layout, i int, inOrder chan<- *buffer) error {
	offset, length := l.span(i)
	b, err := h.buffer(ctx, length)
	if err != nil {
		return err
	}
	if err := readFull(r, b.bytes, offset); err != nil {
		b.release()
		return fmt.Errorf("hash leaf %d: %w", i, err)
	}
	if inOrder != nil {
		b.users.Add(1)
		inOrder <- b // received in any case: its reader goes on until the close
	}
	g.Go(func() error {
		defer b.release()
		sum := l.function.sum(b.bytes)
		copy(l.sum(i), sum[:])
		return nil
	})
	return nil
}

// verify hashes leaf i of l in r.
func (h *hasher) verify(ctx context.Context, r io.ReaderAt, l *Layout, i int) (bool, error) {
	offset, length := l.span(i)
	b, err := h.buffer(ctx, length)
	if err != nil {
		return false, err
	}
	defer b.release()
	if err := readFull(r, b.bytes, offset); err != nil {
		return false, fmt.Errorf("check leaf %d: %w", i, err)
	}
	return isLeaf(l, i, b.bytes), nil
}

func isLeaf(l *Layout, i int, data []byte) bool {
	sum := l.function.sum(data)
	return string(sum[:]) == string(l.sum(i))
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
