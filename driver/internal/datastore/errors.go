package datastore

import (
	"errors"
	"fmt"
)

// ErrClosed is returned by everything once Close was called.
var ErrClosed = errors.New("datastore is closed")

// ErrTooBig reports that a transaction does not fit badger's limits. Nothing of it was
// written.
var ErrTooBig = errors.New("too much for one transaction of the datastore")

// Unavailable reports that the datastore takes no writes now, or cannot be read now. It
// heals by itself. The changes of a write that returned it may be on disk afterwards.
type Unavailable struct {
	Full bool // the file system has no room left
	Err  error
}

func (e *Unavailable) Error() string {
	if e.Full {
		return fmt.Sprintf("the datastore takes no writes while the disk is full: make room: %v", e.Err)
	}
	return fmt.Sprintf("the datastore takes no writes after one failed, and is being opened again: %v", e.Err)
}

// Unwrap gives the cause.
func (e *Unavailable) Unwrap() error { return e.Err }

var (
	errStale   = errors.New("the datastore was opened again since this began")
	errWait    = errors.New("it is still being opened again")
	errStuck   = errors.New("a write does not end")
	errNoRoom  = errors.New("too little is free to write and to close it")
	errNoProbe = errors.New("a write for trial failed")
)
