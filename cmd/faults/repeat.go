package main

import (
	"context"
	"sync"
	"time"
)

// repeat does something again and again, with a pause, until stop is called, which may be called again.
func repeat(ctx context.Context, pause time.Duration, do func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil {
			do(ctx)
			select {
			case <-ctx.Done():
			case <-time.After(pause):
			}
		}
	})
	return func() { cancel(); wg.Wait() }
}
