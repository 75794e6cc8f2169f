package transfer

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
)

// TestTheLikeliestHolderStallsAtOnce shows that another holder is asked when the likeliest one
// stalls before it has sent a single inner block.
func TestTheLikeliestHolderStallsAtOnce(t *testing.T) {
	content := random(70, 5*mib)
	a, _, c, ref := pair(t, content)
	c.retimed(func(p *timing) { *p = timingFor(30 * time.Second); p.Silence = never })
	c.transfers.holders.Served(a.id)
	a.holdBack(0)
	readExactly(t, c.open(ref, 0), content)
}

// TestASlowLinkIsNotAStall shows that a transfer goes on when a leaf takes as long as a transfer
// may stall, or longer, but bytes come all the time.
func TestASlowLinkIsNotAStall(t *testing.T) {
	for name, holders := range map[string]int{"one holder": 1, "two": 2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var town town
			content := random(71, 5*mib)
			b := town.registry(t, func(r *registry) { r.timing = timingFor(6 * time.Second) })
			var ref dag.Ref
			for range holders {
				h := town.registry(t)
				ref = h.push(content)
				h.uplink(mib / 2) // of three leaves at once
			}
			b.requirePull(ref, content)
		})
	}
}

// TestATrickleIsAStall shows that a transfer fails when bytes come, but so few that no leaf is ever
// whole.
func TestATrickleIsAStall(t *testing.T) {
	var town town
	a, b := town.registry(t), town.registry(t, func(r *registry) { r.timing = timingFor(300 * time.Millisecond) })
	ref := a.push(random(72, 5*mib))
	honest := a.transfers.server.Handler
	a.transfers.server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.Header.Get("Range") == "" {
			honest.ServeHTTP(w, r)
			return
		}
		w.WriteHeader(http.StatusPartialContent)
		for r.Context().Err() == nil {
			_, _ = w.Write([]byte{0})
			_ = http.NewResponseController(w).Flush()
			time.Sleep(5 * time.Millisecond)
		}
	})
	begin := time.Now()
	_, err := b.pull(ref, 0)
	requireUnavailable(t, err, a.id)
	require.Greater(t, time.Since(begin), b.timing.Stall)
}
