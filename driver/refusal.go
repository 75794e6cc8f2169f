package driver

import (
	"context"
	"sync"
	"time"
)

// Refusal is an error with an HTTP answer of its own. distribution answers every error of a
// driver with 500, unless the error is one of distribution's own; a handler around
// distribution can ask Refusals what the answer should be.
type Refusal struct {
	Status int           // of HTTP: 503, 507, …
	Code   string        // of the OCI distribution specification, such as "UNAVAILABLE"
	Retry  time.Duration // after which a client should try again; 0: not said
	Err    error         // what happened, and what to do
	Detail any           // of the error as JSON; nil: none
	Lost   bool          // bytes that came are not kept: the answer is no success, whatever distribution says
	Absent bool          // no reachable registry holds the bytes: pushing them would heal that
}

func (r *Refusal) Error() string { return r.Err.Error() }

// Unwrap gives the cause to errors.Is and errors.As.
func (r *Refusal) Unwrap() error { return r.Err }

// Refusals collects the refusals that a driver answered one request with. It is safe
// for concurrent use.
type Refusals struct {
	mu     sync.Mutex
	last   *Refusal
	pushed *underway // nil: nothing of the request was held back
	kept   bool      // the upload that the request was to end stays
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

// Unwritten reports whether a part of what the request pushes is not written, so that its
// answer cannot be a success. distribution never answers between the writes of a push; a
// later release might.
func (r *Refusals) Unwritten() bool {
	r.mu.Lock()
	u := r.pushed
	r.mu.Unlock()
	return u != nil && u.unwritten()
}

// holdBack lets Unwritten know what the request of ctx holds.
func holdBack(ctx context.Context, u *underway) {
	if all, ok := ctx.Value(refusalsKey{}).(*Refusals); ok {
		all.mu.Lock()
		all.pushed = u
		all.mu.Unlock()
	}
}

// refused gives the newest refusal of a request; nil when nothing was refused.
func refused(ctx context.Context) *Refusal {
	all, ok := ctx.Value(refusalsKey{}).(*Refusals)
	if !ok {
		return nil
	}
	return all.Last()
}

// refuse notes a refusal in the request of ctx, if there is one, and returns it as an
// error.
func refuse(ctx context.Context, r Refusal) error {
	if all, ok := ctx.Value(refusalsKey{}).(*Refusals); ok {
		all.mu.Lock()
		all.last = &r
		all.mu.Unlock()
	}
	return &r
}

// keepUpload notes that the upload stays which a refused request was to end.
func keepUpload(ctx context.Context) {
	if all, ok := ctx.Value(refusalsKey{}).(*Refusals); ok {
		all.mu.Lock()
		all.kept = true
		all.mu.Unlock()
	}
}

// keepsUpload reports whether keepUpload was called in a request.
func keepsUpload(ctx context.Context) bool {
	all, ok := ctx.Value(refusalsKey{}).(*Refusals)
	if !ok {
		return false
	}
	all.mu.Lock()
	defer all.mu.Unlock()
	return all.kept
}
