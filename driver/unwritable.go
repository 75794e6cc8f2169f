package driver

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/datastore"
)

// reopenRetry is how soon the datastore takes writes again after one failed, if the disk
// lets it.
const reopenRetry = 5 * time.Second

// notStored makes a Refusal of an error of the datastore, which the path map and the blobs
// pass on. It returns any other error unchanged.
func notStored(ctx context.Context, err error) error {
	var down *datastore.Unavailable
	switch {
	case !errors.As(err, &down):
		return err
	case down.Full:
		return refuse(ctx, Refusal{Status: http.StatusInsufficientStorage, Code: unavailable, Err: err})
	}
	return refuse(ctx, Refusal{Status: http.StatusServiceUnavailable, Code: unavailable, Retry: reopenRetry, Err: err})
}
