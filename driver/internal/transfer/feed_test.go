package transfer

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/fetch"
)

// uplink makes a registry send at most that many bytes per second in all.
func (h *house) uplink(bytes int) {
	limit := rate.NewLimiter(rate.Limit(bytes), 64<<10)
	last := int64(0)
	var mu sync.Mutex
	h.guard(func(sent int64) {
		mu.Lock()
		n := int(max(sent-last, 0))
		last = max(last, sent)
		mu.Unlock()
		for n > 0 {
			part := min(n, limit.Burst())
			_ = limit.WaitN(h.t.Context(), part)
			n -= part
		}
	})
}

// calm gives a registry the timing of the default configuration.
func calm(r *registry) { r.timing = timingFor(30 * time.Second) }

// unhurried is calm, for a machine that may be busy with something else: no registry loses
// patience with a relay that gets no CPU time.
func unhurried(r *registry) {
	calm(r)
	r.timing.Ask, r.timing.Relay, r.timing.Slow, r.timing.Silence = patient/2, patient/2, never, never
}

// pullAtOnce has many registries pull a new blob at the same moment, on links of that many bytes
// per second. It returns how many bytes the registry that had the blob first sent meanwhile.
func pullAtOnce(t *testing.T, size, pulls, link int, timing func(*registry)) (sent int64) {
	t.Helper()
	var town town
	a := town.registry(t, timing)
	var others []*registry
	for range pulls {
		others = append(others, town.registry(t, timing))
	}
	content := random(int64(size), size)
	ref := a.push(content)
	for _, r := range append(others, a) {
		r.uplink(link)
	}
	begin := time.Now()
	var wg sync.WaitGroup
	for _, b := range others {
		wg.Go(func() { b.requirePull(ref, content) })
	}
	wg.Wait()
	_, sent = a.transfers.Totals()
	t.Logf("%d bytes: %d had them in %s; one link carries them in %.2f s; the first sent %.2f times as many",
		size, pulls, time.Since(begin), float64(size)/float64(link), float64(sent)/float64(size))
	return sent
}

func TestTenFeedEachOther(t *testing.T) {
	const size = 32 * mib
	require.Less(t, pullAtOnce(t, size, 10, 16*mib, calm), int64(size)*5/2, "the first sends more when more registries pull")
}

func TestSlowHolderAtTheEnd(t *testing.T) {
	content := random(41, 24*mib)
	a, b, c, ref := pair(t, content)
	a.uplink(mib / 2)
	begin := time.Now()
	b.uplink(24 * mib)
	c.requirePull(ref, content)
	t.Logf("it took %s", time.Since(begin))
	_, sent := b.transfers.Totals()
	require.Greater(t, sent, int64(19*mib), "the pull waited for the slow holder")
	require.Less(t, c.received(), int64(32*mib), "too much was fetched twice")
}

func TestFirstLeafIsAskedForAtOnce(t *testing.T) {
	var town town
	a, b := town.registry(t), town.registry(t)
	content := random(42, 5*mib)
	ref := a.push(content)
	blobs := a.transfers.server.Handler
	asked := make(chan string, 100)
	a.transfers.server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.Method + " " + r.Header.Get("Range")
		if r.Method == http.MethodHead || strings.HasPrefix(r.URL.Path, "/v1/blocks/") {
			<-r.Context().Done() // the first leaf is requested without the holders or the DAG
			return
		}
		blobs.ServeHTTP(w, r)
	})
	go func() { _, _ = b.pull(ref, 3*mib+5) }()
	var ranges []string
	eventually(t, func() bool {
		select {
		case q := <-asked:
			if strings.HasPrefix(q, "GET bytes=") {
				ranges = append(ranges, q)
			}
		default:
		}
		return len(ranges) == fetch.Pieces
	}, "the first leaf is not requested")
	for _, q := range ranges {
		var from, to int
		_, err := fmt.Sscanf(q, "GET bytes=%d-%d", &from, &to)
		require.NoError(t, err)
		require.True(t, from >= 3*mib && to < 4*mib, "%s is not in the leaf that is wanted", q)
	}
}

func TestStalledStreamIsOvertaken(t *testing.T) {
	content := random(43, 12*mib)
	a, b, c, ref := pair(t, content)
	c.retimed(func(p *timing) { *p = timingFor(30 * time.Second); p.Silence = never })
	a.holdBack(2 * mib)
	c.requirePull(ref, content)
	_, sent := b.transfers.Totals()
	require.NotZero(t, sent)
}

func TestBlobsNobodyHasWhole(t *testing.T) {
	var town town
	// A registry that waits for the other as for a holder would not end.
	endless := func(r *registry) { r.timing.Stall, r.timing.Trickle = never, never }
	a, b, c := town.registry(t), town.registry(t, endless), town.registry(t, endless)
	content := random(44, 8*mib)
	ref := a.push(content)
	a.kill()
	ctx, cancel := context.WithTimeout(t.Context(), patient)
	defer cancel()
	errs := make(chan error, 2)
	for _, r := range []*registry{b, c} {
		go func() { errs <- r.transfers.Fetch(ctx, ref) }()
	}
	for range 2 {
		requireUnavailable(t, <-errs) // they do not take each other for holders
	}
}
