package wire

import (
	"errors"
	"fmt"
)

// What is wrong with a member's answer.
var (
	// ErrSilent is the cause of a context that is given up because no answer came.
	ErrSilent = errors.New("sends nothing")
	// ErrGone reports that the member does not have what it was asked for.
	ErrGone = errors.New("does not have it")
	// ErrNotYet is an ErrGone of a range of which the member has the rest of the blob.
	ErrNotYet = fmt.Errorf("%w yet", ErrGone)
	// ErrNoLeaf is how a doubt is answered of a leaf that the blob does not have.
	ErrNoLeaf = errors.New("there is no such leaf")
	// ErrTooMany is how a doubt is answered by a member that has had too many of them.
	ErrTooMany = errors.New("too many doubts")
	// ErrLied reports an answer that cannot be right.
	ErrLied = errors.New("sent wrong bytes")
)
