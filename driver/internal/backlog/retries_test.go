package backlog

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestRetryIntervals: they grow; after a hurry the next try comes soon, and several hurries at
// the same time cost one round; once nothing is lacking they begin small again.
func TestRetryIntervals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const least, most = time.Second, 10 * time.Minute
		ctx, stop := context.WithCancel(t.Context())
		r := newRetries(least, most)
		var mu sync.Mutex
		var at []time.Time
		lacking := true
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			r.run(ctx, func() bool {
				mu.Lock()
				defer mu.Unlock()
				at = append(at, time.Now())
				return lacking
			})
		}()
		// rounds counts those of a time from now on, and gives the longest pause among them.
		rounds := func(d time.Duration) (n int, longest time.Duration) {
			synctest.Wait()
			mu.Lock()
			before := len(at)
			mu.Unlock()
			time.Sleep(d)
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			for i := max(before, 1); i < len(at); i++ {
				longest = max(longest, at[i].Sub(at[i-1]))
			}
			return len(at) - before, longest
		}
		began := time.Now()
		if _, longest := rounds(10 * least); !at[0].Equal(began) || longest > 10*least {
			t.Errorf("the first rounds: %v", at)
		}
		rounds(10 * most)
		if n, longest := rounds(100 * most); n < 60 || n > 200 || longest < most || longest > most*3/2 {
			t.Errorf("later there are %d in %s, with pauses of up to %s", n, 100*most, longest)
		}
		for range 5 {
			r.hurry()
		}
		if n, _ := rounds(least - 1); n > 0 {
			t.Error("it does not wait for others that hurry")
		}
		if n, _ := rounds(1); n != 1 {
			t.Errorf("%d rounds after five hurries at once", n)
		}
		rounds(10 * most)
		mu.Lock()
		lacking = false
		mu.Unlock()
		rounds(2 * most)
		if n, longest := rounds(100 * least); n < 60 || longest > least*3/2 {
			t.Errorf("while nothing is lacking there are %d rounds in %s", n, 100*least)
		}
		stop()
		<-ended
	})
}
