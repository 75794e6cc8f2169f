package transfer

import (
	"context"
	"errors"
	"fmt"

	"github.com/libp2p/go-libp2p/core/peer"
)

// memberError is what a member did wrong, or what happened to a request to it. Its text
// names the member once.
type memberError struct {
	id  peer.ID
	err error
}

func (e *memberError) Error() string { return fmt.Sprintf("%s: %s", e.id, e.err) }

func (e *memberError) Unwrap() error { return e.err }

// blame says to which member an error belongs, unless that is known already.
func blame(id peer.ID, err error) error {
	if known, ok := errors.AsType[*memberError](err); ok && known.id == id {
		return err
	}
	return &memberError{id, err}
}

// because returns why a request to a member failed: the cause of ctx, if that was
// canceled.
func because(ctx context.Context, id peer.ID, err error) error {
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return blame(id, err)
}
