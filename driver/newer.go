package driver

import (
	"context"
	"errors"
	"net/http"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// newer makes a Refusal of an error about an entry that this release cannot read, and so
// does not delete; a registry of the later release can. It returns any other error
// unchanged.
func newer(ctx context.Context, err error) error {
	if !errors.Is(err, pathmap.ErrNewerEntry) {
		return err
	}
	return refuse(ctx, Refusal{Status: http.StatusServiceUnavailable, Code: unavailable, Err: err})
}
