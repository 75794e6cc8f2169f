package datastore

import (
	"errors"
	"fmt"

	"github.com/dustin/go-humanize"
)

// ErrClosed is returned by everything once Close was called.
var ErrClosed = errors.New("datastore is closed")

// ErrTooBig reports that a transaction is larger than the datastore takes. Nothing of it was
// written.
var ErrTooBig = errors.New("too much for one transaction of the datastore")

// Unavailable reports that the datastore takes no writes now. It heals by itself. The changes of a write that returned it may be on disk afterwards.
type Unavailable struct {
	Full bool // the file system has no room left
	Err  error
}

func (e *Unavailable) Error() string {
	if e.Full {
		return fmt.Sprintf("the datastore takes no writes while the disk is full: make room until %s are free: %v",
			humanize.IBytes(closeMargin+trialRoom), e.Err)
	}
	return fmt.Sprintf("the datastore takes no writes until one that failed succeeds: %v", e.Err)
}

// Unwrap gives the cause.
func (e *Unavailable) Unwrap() error { return e.Err }

var (
	errOver   = errors.New("the transaction has ended")
	errStuck  = errors.New("a write does not end")
	errHeld   = errors.New("a write is being tried again")
	errNoRoom = errors.New("too little is free to write")
)
