package limit_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/limit"
)

// allowed is how many of n happenings a source is allowed, one at a time.
func allowed(r *limit.Rate, s limit.Source, n int) (ok int) {
	for range n {
		if r.Allow(s, 1) {
			ok++
		}
	}
	return ok
}

func TestRates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := limit.NewRate(limit.Rates{
			All: limit.EachPace(10, 20), Peer: limit.EachPace(1, 5), Address: limit.EachPace(2, 8),
		}, silent())
		expect := func(s limit.Source, want int) {
			t.Helper()
			if got := allowed(r, s, 100); got != want {
				t.Errorf("%v: %d, not %d", s, got, want)
			}
		}
		expect(from("a", "192.0.2.1", limit.Member), 5)  // of one peer
		expect(from("b", "192.0.2.1", limit.Member), 3)  // of its address
		expect(from("a", "192.0.2.1", limit.Trusted), 5) // each rank has its own
		for i := range 10 {
			allowed(r, from(fmt.Sprint(i), fmt.Sprintf("192.0.2.%d", 10+i), limit.Member), 100)
		}
		expect(from("c", "192.0.2.99", limit.Member), 0) // of all
		time.Sleep(3 * time.Second)
		expect(from("a", "192.0.2.1", limit.Member), 3)
		if r.Allow(from("a", "192.0.2.1", limit.Trusted), 6) {
			t.Error("more at once than ever")
		}
	})
}

// TestARateForgets sources that have been quiet, and refuses new ones when it cannot.
func TestARateForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := limit.NewRate(limit.Rates{Peer: limit.EachPace(1, 5)}, silent())
		for i := range limit.MaxBuckets {
			if !r.Allow(from(fmt.Sprint(i), "", limit.Member), 1) {
				t.Fatal("refused:", i)
			}
		}
		if r.Allow(from("newcomer", "", limit.Member), 1) {
			t.Error("it remembers one more")
		}
		if !r.Allow(from("newcomer", "", limit.Trusted), 1) {
			t.Error("those of another rank have to go without")
		}
		time.Sleep(2 * time.Second)
		if !r.Allow(from("newcomer", "", limit.Member), 1) {
			t.Error("it forgets nobody")
		}
	})
}
