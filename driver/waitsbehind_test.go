package driver_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
)

// TestWhoMayWaitNoMoreIsToldSo: a request whose first miss was answered with "still catching up"
// is told that of its others, too, also when it has waited for as long as it may. Never is what a
// member may have acknowledged said to be nowhere.
func TestWhoMayWaitNoMoreIsToldSo(t *testing.T) {
	t.Parallel()
	const syncTimeout = time.Second
	a, b, link, _ := linkedPair(t, syncTimeout)
	link.Throttle(2 << 10)
	for n := range 20 {
		for i := range 200 {
			put(t, a, tagLink("a", fmt.Sprintf("%d-%d", n, i)), "sha256:x")
		}
		ctx, end := context.WithCancel(asRequest(t, http.MethodGet, "vars.reference"))
		request := requestContext{ctx, map[string]any{"http.request.startedat": time.Now(), "http.request.id": fmt.Sprint(n)}}
		miss := func(i int) error {
			_, err := b.GetContent(request, tagLink("nowhere", fmt.Sprint(i)))
			return err
		}
		if first := miss(0); isNotFound(first) {
			end()
			continue // the member was passed over
		}
		drivertest.Await(t, "it may wait no more", func() bool {
			began := time.Now()
			if err := miss(1); !isRefusal(err) {
				t.Fatalf("another miss: %v", err)
			}
			return time.Since(began) < syncTimeout/20
		})
		if err := miss(2); !isRefusal(err) {
			t.Errorf("a miss when it may wait no more: %v", err)
		}
		end()
		return
	}
	t.Error("the member was never waited for: the test tested nothing")
}
