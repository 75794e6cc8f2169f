package transfer

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
)

// reader reads a blob while it arrives. A transfer that fails makes reading
// fail; it never ends short as if it were whole.
type reader struct {
	job    *job
	ctx    context.Context // of whoever reads
	offset int64
	once   sync.Once
}

// await waits until the byte at the offset has arrived.
func (r *reader) await() error {
	for {
		r.job.mu.Lock()
		news, partial := r.job.news, r.job.partial
		want := int(r.offset / blob.LeafSize)
		r.job.want = want
		r.job.mu.Unlock()
		if partial != nil && partial.Have(want) {
			return nil
		}
		select {
		case <-news:
		case <-r.job.done:
			if r.job.err != nil {
				return r.job.err
			}
			if partial != nil && !partial.Have(want) {
				return io.ErrUnexpectedEOF
			}
		case <-r.ctx.Done():
			return r.ctx.Err()
		}
	}
}

// Read implements io.Reader.
func (r *reader) Read(b []byte) (int, error) {
	for {
		if r.offset >= r.job.ref.Size {
			return 0, io.EOF
		}
		r.job.mu.Lock()
		partial := r.job.partial
		r.job.mu.Unlock()
		n, err := partial.ReadAt(b, r.offset)
		r.offset += int64(n)
		if n > 0 || len(b) == 0 {
			return n, nil
		}
		if !errors.Is(err, blob.ErrNotYet) {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return 0, err
		}
		if err := r.await(); err != nil {
			return 0, err
		}
	}
}

// Close leaves the transfer, which goes on for others.
func (r *reader) Close() error {
	r.once.Do(r.job.leave)
	return nil
}
