package wire

import (
	"errors"
	"fmt"
)

// These errors say what is wrong with a member's answer.
var (
	// ErrSilent is the cause of a context that was canceled because no answer came.
	ErrSilent = errors.New("sends nothing")
	// ErrGone reports that the member does not have what it was asked for.
	ErrGone = errors.New("does not have it")
	// ErrNotYet is an ErrGone for a range of a blob of which the member has other leaves.
	ErrNotYet = fmt.Errorf("%w yet", ErrGone)
	// ErrNoLeaf is the answer to a doubt about a leaf that the blob does not have.
	ErrNoLeaf = errors.New("there is no such leaf")
	// ErrTooMany is the answer to a doubt of a member that had too many of them.
	ErrTooMany = errors.New("too many doubts")
	// ErrStranger is the answer to a question that only trusted members answer each other.
	ErrStranger = errors.New("answers trusted members only")
	// ErrLied reports an answer that cannot be right.
	ErrLied = errors.New("sent wrong bytes")
)
