package driver

import (
	"context"
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

// TestCountingTakesATenthOfTheTime, when something changes all the time, and none when
// nothing does.
func TestCountingTakesATenthOfTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const takes = 3 * time.Second // to count
		var m counted
		var n, counts int
		ask := func() int {
			return m.recent(blobState{here: n}, func() blobCounts {
				counts++
				time.Sleep(takes)
				return blobCounts{missing: n}
			}).missing
		}
		began := time.Now()
		for time.Since(began) < 100*takes {
			n++
			if got := ask(); got > n || n-got > int(10*takes/time.Second) {
				t.Errorf("%d are missing, not %d", got, n)
			}
			time.Sleep(time.Second)
		}
		if counts != 10 {
			t.Errorf("counted %d times", counts)
		}
		time.Sleep(10 * takes)
		for range 10 {
			if got := ask(); got != n || counts != 11 {
				t.Errorf("%d are missing, not %d, counted %d times", got, n, counts)
			}
			time.Sleep(10 * takes)
		}
	})
}
