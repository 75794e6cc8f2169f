package driver

import (
	"context"
	"io"

	"github.com/opencontainers/go-digest"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/ocipath"
)

// Download reads the blob of a digest, which must be valid, from an offset in bytes to its
// end, as Reader does.
func (d *Driver) Download(ctx context.Context, blob digest.Digest, offset int64) (io.ReadCloser, error) {
	return d.Reader(ctx, ocipath.BlobData(ocipath.Root, blob), offset)
}
