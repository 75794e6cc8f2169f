package driver

import (
	"context"
	"sync"
	"time"
)

// Refusal is an error that has an answer of its own over HTTP. distribution makes
// every error of a driver a 500, unless it is one of its own; a handler around it can
// ask Refusals what the answer should have been.
type Refusal struct {
	Status int           // of HTTP: 503, 507, …
	Code   string        // of the OCI distribution specification, such as "UNAVAILABLE"
	Retry  time.Duration // after which a client should try again; 0: not said
	Err    error         // what happened, and what to do
	Detail any           // of the error as JSON; nil: none
	Lost   bool          // bytes that came are not kept: no success, whatever distribution says
	Absent bool          // bytes that nobody reachable holds: a push of them would heal it
}

func (r *Refusal) Error() string { return r.Err.Error() }

// Unwrap gives the cause to errors.Is and errors.As.
func (r *Refusal) Unwrap() error { return r.Err }

// Refusals collects the refusals that a driver answered one request with. It is safe
// for concurrent use.
type Refusals struct {
	mu   sync.Mutex
	last *Refusal
}

type refusalsKey struct{}

// WithRefusals gives a context for one request, in which the driver notes what it
// refused.
func WithRefusals(ctx context.Context) (context.Context, *Refusals) {
	all := &Refusals{}
	return context.WithValue(ctx, refusalsKey{}, all), all
}

// Last is the newest refusal; nil when there was none.
func (r *Refusals) Last() *Refusal {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}

// refused gives the newest refusal of a request; nil when nothing was refused.
func refused(ctx context.Context) *Refusal {
	all, ok := ctx.Value(refusalsKey{}).(*Refusals)
	if !ok {
		return nil
	}
	return all.Last()
}

// refuse notes a refusal in its request, if there is one, and returns it as an error.
func refuse(ctx context.Context, r Refusal) error {
	if all, ok := ctx.Value(refusalsKey{}).(*Refusals); ok {
		all.mu.Lock()
		all.last = &r
		all.mu.Unlock()
	}
	return &r
}
