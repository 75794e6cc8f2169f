package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/fetch"
)

// reader reads a blob while it arrives. When the transfer fails, reading fails where bytes are
// missing: it never ends early as if the blob were complete. A reader is for one goroutine.
type reader struct {
	t      *Transfers
	job    *fetch.Job
	ctx    context.Context // of the client that reads
	offset int64
	place  *fetch.Place
	leaf   int           // where the job knows the reader to be
	sure   bool          // as far as can be known, the rest of the blob will come
	rest   io.ReadCloser // streams what the transfer could not keep; nil: the transfer keeps it
	once   sync.Once
}

func (t *Transfers) newReader(ctx context.Context, j *fetch.Job, offset int64) *reader {
	leaf := dag.LeafAt(offset)
	return &reader{t: t, job: j, ctx: ctx, offset: offset, leaf: leaf, place: j.Read(leaf)}
}

// Read implements io.Reader.
func (r *reader) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	for r.rest == nil && r.offset < r.job.Ref().Size {
		n, err := r.readHere(b)
		if n > 0 || err != nil {
			return n, err
		}
		if err := r.await(); err != nil {
			if err = r.divert(err); err != nil {
				return 0, err
			}
		}
	}
	if r.rest != nil {
		return r.rest.Read(b)
	}
	return 0, io.EOF
}

// divert streams the rest of the blob when the transfer failed because the blob cannot be kept. It
// leaves the transfer, so that its disk space is freed. It returns any other error as it is.
func (r *reader) divert(err error) error {
	if !mayStream(err) {
		return err
	}
	rest, err := r.t.stream(r.ctx, r.job.Ref(), r.offset, err)
	if err != nil {
		return err
	}
	r.leave()
	r.rest = rest
	return nil
}

// readHere reads what has arrived. It returns 0 and no error when the next byte has not arrived.
func (r *reader) readHere(b []byte) (int, error) {
	p := r.job.Content()
	if p == nil {
		return 0, nil
	}
	n, err := p.ReadAt(b, r.offset)
	if n > 0 {
		r.offset += int64(n)
		r.move()
		return n, nil
	}
	switch {
	case errors.Is(err, blob.ErrNotYet):
		return 0, nil
	case errors.Is(err, io.EOF):
		err = io.ErrUnexpectedEOF // Read has checked that this is not the end
	}
	return 0, fmt.Errorf("read %s at %d: %w", r.job.Ref().CID, r.offset, err)
}

// move tells the job that the reader is at another leaf.
func (r *reader) move() {
	if leaf := dag.LeafAt(r.offset); leaf != r.leaf {
		r.leaf = leaf
		r.place.Move(leaf, time.Time{})
	}
}

// await waits until the byte at the offset is here. While only damaged copies are known, the first
// byte is held back until the whole blob is here, so that an error can still become a status.
func (r *reader) await() error {
	leaf := dag.LeafAt(r.offset)
	r.leaf = leaf
	r.place.Move(leaf, time.Now())
	defer r.place.Move(leaf, time.Time{})
	for {
		changed := r.job.Changed()
		if r.job.Has(leaf) && (r.sure || !r.job.Torn()) {
			r.sure = true
			return nil
		}
		select {
		case <-changed:
		case <-r.ctx.Done():
			return r.ctx.Err()
		case <-r.job.Done():
			if r.job.Err() != nil {
				return r.job.Err()
			}
			if r.job.Has(leaf) {
				return nil
			}
			return fmt.Errorf("read %s at %d: %w", r.job.Ref().CID, r.offset, io.ErrUnexpectedEOF)
		}
	}
}

// Close leaves the transfer, which goes on without it.
func (r *reader) Close() error {
	r.leave()
	if r.rest != nil {
		return r.rest.Close()
	}
	return nil
}

func (r *reader) leave() {
	r.once.Do(func() {
		r.place.Leave()
		r.job.Leave()
		r.t.stories.left(r.job)
	})
}
