package driver

import (
	"context"
	"errors"
	"fmt"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/engine"
)

// onStopped does something with the storage of a registry that is not running, on these parameters.
// It fails with ErrInUse while the registry runs.
func onStopped[R any](ctx context.Context, p Parameters, do func(*store) (R, error)) (result R, err error) {
	if err = p.check(); err != nil {
		return result, fmt.Errorf("ipfs: %w", err)
	}
	e, err := engine.OpenStopped(ctx, p.config())
	if err != nil {
		return result, fmt.Errorf("ipfs: %w", err)
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	return do(newStore(e, p))
}
