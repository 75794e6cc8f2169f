package wire

import (
	"context"
	"errors"
	"fmt"

	"github.com/libp2p/go-libp2p/core/peer"
)

// MemberError names the member to which an error belongs: it did something wrong, or a request
// to it failed. The text names the member once.
type MemberError struct {
	ID  peer.ID
	Err error
}

// Error implements error.
func (e *MemberError) Error() string { return fmt.Sprintf("%s: %s", e.ID, e.Err) }

// Unwrap returns what went wrong.
func (e *MemberError) Unwrap() error { return e.Err }

// Blame returns err as a MemberError of a member. It returns err itself when that is one of this
// member already.
func Blame(id peer.ID, err error) error {
	if known, ok := errors.AsType[*MemberError](err); ok && known.ID == id {
		return err
	}
	return &MemberError{id, err}
}

// Because returns the MemberError of a request that failed with err. When ctx has ended, the cause
// of ctx takes the place of err.
func Because(ctx context.Context, id peer.ID, err error) error {
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return Blame(id, err)
}
