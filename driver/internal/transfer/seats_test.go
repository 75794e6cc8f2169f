package transfer

import (
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/crew"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/story"
)

// TestASilentHolderHoldsUpNobodyElse shows that a pull from another member goes on, however many
// transfers wait for a member that sends nothing.
func TestASilentHolderHoldsUpNobodyElse(t *testing.T) {
	t.Parallel()
	var town town
	a, b := town.registry(t), town.registry(t, func(r *registry) {
		r.timing.Silence, r.timing.Stall, r.timing.Trickle = never, never, never
	})
	var waiting sync.WaitGroup
	waiting.Add(crew.Seats)
	end := make(chan struct{})
	var once sync.Once
	t.Cleanup(func() { once.Do(func() { close(end) }) })
	serve := a.transfers.server.Handler
	a.transfers.server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Range") == "" {
			serve.ServeHTTP(w, r)
			return
		}
		waiting.Done()
		<-end
	})
	for i := range crew.Seats {
		ref := a.push(random(int64(100+i), 10_000))
		go func() { _ = b.transfers.FetchFrom(t.Context(), ref, a.id, story.Push) }()
	}
	waiting.Wait()
	c := town.registry(t)
	content := random(99, 3*mib)
	b.requirePull(c.push(content), content)
	eventually(t, func() bool {
		return b.transfers.fetcher.Crew.Free() == crew.Seats
	}, "a transfer that waits for a silent member keeps its seat")
	require.GreaterOrEqual(t, b.transfers.Active(), crew.Seats)
}

// TestReadersThatTakeTheirTimeHoldUpNobodyElse shows that a stream has no seat while it waits for
// its reader.
func TestReadersThatTakeTheirTimeHoldUpNobodyElse(t *testing.T) {
	var town town
	a, b := town.registry(t), town.registry(t, onSmallDisk(6*mib))
	content := random(67, 9*mib)
	ref := a.push(content)
	for range 2 * crew.Seats {
		b.open(ref, 0)
	}
	small := random(68, 3*mib)
	b.requirePull(a.push(small), small)
	eventually(t, func() bool { return len(b.transfers.Running()) == 2*crew.Seats }, "the readers' transfers do not go on alone")
}
