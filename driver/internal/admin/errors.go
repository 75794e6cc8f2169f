package admin

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
)

var (
	// ErrNotRunning reports that no registry answers on a socket.
	ErrNotRunning = errors.New("the registry is not running")
	// ErrBusy reports that a task of the same kind is already running.
	ErrBusy = errors.New("it is already running")
	// ErrEarlier reports that a registry does not know a route.
	ErrEarlier = errors.New("the running registry is of an earlier release, which does not answer this: restart it")
)

// Error is why a registry did not answer, or did not do what it was asked to do.
type Error struct {
	Status int // of HTTP
	Reason string
	cause  error
}

// Error implements error.
func (e *Error) Error() string { return e.Reason }

// Unwrap gives the cause, at the end where it happened.
func (e *Error) Unwrap() error { return e.cause }

// NotFound says that an error is about something that is not there.
func NotFound(err error) error { return of(http.StatusNotFound, err) }

// Invalid says that an error is about how something was asked for.
func Invalid(err error) error { return of(http.StatusBadRequest, err) }

// Conflict says that an error is about the state that the registry, or what it was asked for, is in.
func Conflict(err error) error { return of(http.StatusConflict, err) }

func of(status int, err error) error { return &Error{status, err.Error(), err} }

// statusOf is the status of an answer that is an error: 500 where nobody said.
func statusOf(err error) int {
	e, ok := errors.AsType[*Error](err)
	switch {
	case ok:
		return e.Status
	case errors.Is(err, context.DeadlineExceeded):
		return http.StatusGatewayTimeout
	}
	return http.StatusInternalServerError
}

// failure is the body of an answer that is an error.
type failure struct {
	Error string `json:"error"`
}

// fail answers an error. Clients of earlier releases, which name no type that they accept, know
// one status, and take the body for the reason.
func fail(w http.ResponseWriter, r *http.Request, err error) {
	if len(r.Header["Accept"]) == 0 {
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(statusOf(err))
	_ = json.NewEncoder(w).Encode(failure{err.Error()})
}
