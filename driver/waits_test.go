package driver

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multihash"
)

// TestARequestWaitsOnce in all, counted from its first wait, and not at all for a moment in
// which nobody could answer. Requests that ended are forgotten.
func TestARequestWaitsOnce(t *testing.T) {
	const limit = time.Minute
	synctest.Test(t, func(t *testing.T) {
		var w waitBudget
		wait := func(ctx context.Context, key requestKey) (waited time.Duration) {
			began := time.Now()
			if ctx, cancel, ok := w.begin(ctx, key, limit); ok {
				defer cancel()
				<-ctx.Done()
			}
			return time.Since(began)
		}
		request, end := context.WithCancel(t.Context())
		key := requestKey{"1", time.Now()}
		time.Sleep(time.Hour) // its body took long
		ctx, cancel, ok := w.begin(request, key, limit)
		if !ok {
			t.Fatal("the first wait is refused")
		}
		time.Sleep(limit / 2)
		cancel()
		<-ctx.Done()
		time.Sleep(limit / 4) // it does something else
		if waited := wait(request, key); waited != limit/4 {
			t.Errorf("the second wait took %s", waited)
		}
		for range 10 {
			if waited := wait(request, key); waited > 0 {
				t.Errorf("another wait took %s", waited)
			}
		}
		other := requestKey{"2", time.Now()}
		if first, second := wait(request, other), wait(request, other); first != limit || second > 0 {
			t.Errorf("another request waited %s, then %s", first, second)
		}
		for range 2 {
			if waited := wait(request, requestKey{}); waited != limit {
				t.Errorf("what belongs to no request waited %s", waited)
			}
		}
		if asked, _ := w.last(other); asked {
			t.Error("the other request has asked nobody")
		}
		w.asked(other, errors.New("not yet"))
		if asked, late := w.last(other); !asked || late == nil {
			t.Errorf("the other request was told %v", late)
		}
		w.asked(requestKey{"4", time.Now()}, nil) // of none that waits
		late := requestKey{"3", time.Now()}
		w.end(request, late, time.Now().Add(limit/10))
		time.Sleep(time.Nanosecond)
		if waited := wait(request, late); waited > 0 {
			t.Errorf("it waited %s, too little to hear anything", waited)
		}
		end()
		synctest.Wait()
		if len(w.until) > 0 {
			t.Errorf("%d requests that ended are remembered", len(w.until))
		}
	})
}

// TestACompleteImageIsLookedAtAgain, but not at once.
func TestACompleteImageIsLookedAtAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mh, err := multihash.Sum(nil, multihash.SHA2_256, -1)
		if err != nil {
			t.Fatal(err)
		}
		image := cid.NewCidV1(cid.Raw, mh)
		var c completes
		for range 2 {
			if c.has(image) {
				t.Error("it is not known to be complete")
			}
			c.add(image)
			time.Sleep(completeFor - 1)
			if !c.has(image) {
				t.Error("it is looked at again too soon")
			}
			time.Sleep(time.Nanosecond)
		}
	})
}

// TestCountingTakesATwentiethOfTheTime, when something changes all the time, and none when
// nothing does. Nobody waits for a long count.
func TestCountingTakesATwentiethOfTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const takes = 3 * time.Second // to count
		var m counted
		var n int
		var counts atomic.Int64
		ask := func() (int, *time.Time) {
			began, now := time.Now(), n
			c, at := m.recent(blobState{here: now}, func(context.Context) blobCounts {
				counts.Add(1)
				time.Sleep(takes)
				return blobCounts{missing: now}
			})
			if time.Since(began) > countWait {
				t.Errorf("it waited for %s", time.Since(began))
			}
			return c.missing, at
		}
		if _, at := ask(); at != nil {
			t.Error("it knows what is still being counted")
		}
		began := time.Now()
		for time.Since(began) < 100*takes {
			n++
			if got, _ := ask(); got > n || n-got > int(21*takes/time.Second) {
				t.Errorf("%d are missing, not %d", got, n)
			}
			time.Sleep(time.Second)
		}
		if got := counts.Load(); got != 5 {
			t.Errorf("counted %d times", got)
		}
		for range 10 {
			time.Sleep(20 * takes)
			ask()
			time.Sleep(takes)
			if got, at := ask(); got != n || at == nil || counts.Load() != 6 {
				t.Errorf("%d are missing, not %d, counted %d times", got, n, counts.Load())
			}
		}
		n++
		ask()
		m.close()
		if got, _ := ask(); got != n-1 {
			t.Errorf("%d are missing after the end", got)
		}
	})
}

// TestAShortCountIsOfNow: it is made whenever something has changed.
func TestAShortCountIsOfNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m counted
		for n := range 100 {
			got, at := m.recent(blobState{here: n + 1}, func(context.Context) blobCounts {
				time.Sleep(countFree)
				return blobCounts{missing: n}
			})
			if got.missing != n || at == nil {
				t.Errorf("%d are missing, not %d", got.missing, n)
			}
		}
		m.close()
	})
}
