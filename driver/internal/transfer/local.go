package transfer

import (
	"context"
	"errors"
	"io"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/blob"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
)

// openLocal opens a blob that is here whole. It returns neither a reader nor an error when the blob
// is not here, or turns out to be damaged where reading begins.
func (t *Transfers) openLocal(ctx context.Context, ref dag.Ref, offset int64) (io.ReadCloser, error) {
	f, err := t.cfg.Blobs.Reader(ctx, ref, offset)
	switch {
	case errors.Is(err, blob.ErrNotFound), errors.Is(err, blob.ErrRotten):
		return nil, nil
	case err != nil:
		return nil, err
	}
	if plain, ok := f.(*blob.File); ok {
		return plain, nil // verified before: it is read as fast as any file
	}
	return &localReader{ReadCloser: f, t: t, ctx: ctx, ref: ref, offset: offset}, nil
}

// localReader reads a blob that is here and has not been verified yet. From a damaged leaf on, it
// reads what a transfer brings instead. It is for one goroutine.
type localReader struct {
	io.ReadCloser
	t      *Transfers
	ctx    context.Context // of the client that reads
	ref    dag.Ref
	offset int64
	mended bool
}

// Read implements io.Reader.
func (r *localReader) Read(b []byte) (int, error) {
	n, err := r.ReadCloser.Read(b)
	r.offset += int64(n)
	if r.mended || n > 0 || !errors.Is(err, blob.ErrRotten) {
		return n, err
	}
	r.mended = true
	again, err := r.t.Open(r.ctx, r.ref, r.offset)
	if err != nil {
		return 0, err
	}
	_ = r.Close()
	r.ReadCloser = again
	return r.Read(b)
}
