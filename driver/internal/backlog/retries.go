package backlog

import (
	"context"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// retries calls a function again and again: less and less often while the function reports
// that something is lacking, and soon after hurry.
type retries struct {
	least, most time.Duration // between two calls, give or take a half
	soon        chan struct{}
}

func newRetries(least, most time.Duration) retries {
	return retries{least: least, most: most, soon: make(chan struct{}, 1)}
}

// hurry makes what failed be tried again, because it may work now. It never blocks.
func (r retries) hurry() { poke(r.soon) }

// run calls f at once and then until ctx ends.
func (r retries) run(ctx context.Context, f func() (lacking bool)) {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval, pause.Multiplier = r.least, r.most, 2
	for ctx.Err() == nil {
		if !f() {
			pause.Reset()
		}
		select {
		case <-time.After(pause.NextBackOff()):
		case <-r.soon:
			pause.Reset()
			r.settle(ctx)
		case <-ctx.Done():
		}
	}
}

// settle lets several calls of hurry at the same time cost one round.
func (r retries) settle(ctx context.Context) {
	select {
	case <-time.After(r.least):
	case <-ctx.Done():
	}
}

func poke(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
