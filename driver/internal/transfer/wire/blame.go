package wire

import (
	"context"
	"errors"
	"fmt"

	"github.com/libp2p/go-libp2p/core/peer"
)

// MemberError is what a member did wrong, or what happened to a request to it. Its text
// names the member once.
type MemberError struct {
	ID  peer.ID
	Err error
}

// Error implements error.
func (e *MemberError) Error() string { return fmt.Sprintf("%s: %s", e.ID, e.Err) }

// Unwrap gives what went wrong.
func (e *MemberError) Unwrap() error { return e.Err }

// Blame says to which member an error belongs, unless that is known already.
func Blame(id peer.ID, err error) error {
	if known, ok := errors.AsType[*MemberError](err); ok && known.ID == id {
		return err
	}
	return &MemberError{id, err}
}

// Because returns why a request to a member failed: the cause of ctx, if that was
// canceled.
func Because(ctx context.Context, id peer.ID, err error) error {
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return Blame(id, err)
}
