package driver

import (
	"context"
	"errors"
	"net/http"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// newer makes a refusal of what this release cannot read, and so does not delete: a
// registry of the later release answers it. Any other error it leaves.
func newer(ctx context.Context, err error) error {
	if !errors.Is(err, pathmap.ErrNewerEntry) {
		return err
	}
	return refuse(ctx, Refusal{Status: http.StatusServiceUnavailable, Code: unavailable, Err: err})
}
