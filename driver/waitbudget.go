package driver

import (
	"context"
	"sync"
	"time"
)

// waitBudget bounds what a request waits for the members in all, however often it misses or
// writes a tag: a manifest may refer to many layers that are not here. The time runs from
// the request's first wait, so that a body that is slow to arrive uses none of it.
type waitBudget struct {
	mu    sync.Mutex
	until map[requestKey]waited // of those requests under way that have waited
}

// waited is what a request has waited for.
type waited struct {
	until time.Time // when its waits end
	asked bool      // whether it has asked the members
	late  error     // what came of that, the last time
}

// begin gives a context for one wait of ctx's request; false when the request has
// waited for as long as it may.
func (w *waitBudget) begin(ctx context.Context, key requestKey, limit time.Duration) (context.Context, context.CancelFunc, bool) {
	until := w.end(ctx, key, time.Now().Add(limit))
	if time.Until(until) < limit/10 {
		return nil, nil, false // too little to hear anything: a member would seem behind
	}
	ctx, cancel := context.WithDeadline(ctx, until)
	return ctx, cancel, true
}

// end is when the request's waits end: at the time given, if this is its first.
func (w *waitBudget) end(ctx context.Context, key requestKey, first time.Time) time.Time {
	if key == (requestKey{}) || ctx.Done() == nil {
		return first // of no request, or of one whose end would not be noticed
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if of, ok := w.until[key]; ok {
		return of.until
	}
	if w.until == nil {
		w.until = map[requestKey]waited{}
	}
	w.until[key] = waited{until: first}
	context.AfterFunc(ctx, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.until, key)
	})
	return first
}

// asked notes what came of it that a request asked the members.
func (w *waitBudget) asked(key requestKey, late error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if of, ok := w.until[key]; ok {
		of.asked, of.late = true, late
		w.until[key] = of
	}
}

// last is what came of it that a request asked the members the last time; not asked, if it never
// did.
func (w *waitBudget) last(key requestKey) (asked bool, late error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	of := w.until[key]
	return of.asked, of.late
}
