package transfer

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/bitset"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
)

// TestAMemberBeyondItsBound is told so, and fetches when there is room again.
func TestAMemberBeyondItsBound(t *testing.T) {
	t.Parallel()
	town := &town{way: realStreams} // where a remote address is a peer ID
	a, b := town.registry(t), town.registry(t)
	content := random(80, 3*mib)
	ref := a.push(content)
	for range maxRequestsFrom {
		require.True(t, a.transfers.requests.Enter(b.id.String()))
	}
	require.Equal(t, http.StatusServiceUnavailable, b.head(a, ref).StatusCode)
	pulled := make(chan error, 1)
	go func() { pulled <- b.transfers.Fetch(context.Background(), ref) }()
	eventually(t, func() bool { return b.transfers.Active() == 1 }, "it does not begin")
	town.registry(t).requirePull(ref, content) // the bound is of one member
	for range maxRequestsFrom {
		a.transfers.requests.Leave(b.id.String())
	}
	require.NoError(t, <-pulled)
}

// head asks another registry for a blob.
func (r *registry) head(of *registry, ref dag.Ref) *http.Response {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodHead, "http://x/v1/blobs/"+ref.CID.String(), nil)
	require.NoError(r.t, err)
	c, err := r.Dial(r.t.Context(), of.id, Protocol)
	require.NoError(r.t, err)
	defer func() { _ = c.Close() }()
	require.NoError(r.t, req.Write(c))
	resp, err := http.ReadResponse(bufio.NewReader(c), req)
	require.NoError(r.t, err)
	require.NoError(r.t, resp.Body.Close())
	return resp
}

// TestAReaderThatTakesNothing is cut off, on each way.
func TestAReaderThatTakesNothing(t *testing.T) {
	for name, w := range map[string]way{"TCP": plainTCP, "streams": realStreams, "data port": realData} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			town := &town{way: w}
			a := town.registry(t, func(r *registry) { r.timing.send = 300 * time.Millisecond })
			b := town.registry(t)
			ref := a.push(random(81, 24*mib)) // more than windows and buffers hold
			c, err := b.Dial(t.Context(), a.id, Protocol)
			if w == realData {
				c, err = b.DialData(t.Context(), a.id)
			}
			require.NoError(t, err)
			defer func() { _ = c.Close() }()
			_, err = fmt.Fprintf(c, "GET /v1/blobs/%s HTTP/1.1\r\nHost: a\r\n\r\n", ref.CID)
			require.NoError(t, err)
			eventually(t, func() bool { _, out := a.transfers.Totals(); return out > 0 }, "nothing is sent")
			eventually(t, func() bool { return a.transfers.requests.Len() == 0 }, "it is waited for")
			_, out := a.transfers.Totals()
			require.Less(t, out, ref.Size, "all was taken: the test tests nothing")
		})
	}
}

// TestLeavesOnTheirWayAreBounded, however fast the holder seems to be.
func TestLeavesOnTheirWayAreBounded(t *testing.T) {
	t.Parallel()
	const leaves = maxAhead + 30
	var town town
	a, b := town.registry(t), town.registry(t)
	ref := a.push(random(82, leaves*mib))
	serve := a.transfers.server.Handler
	var mu sync.Mutex
	asked, most := bitset.New(leaves), 0 // some are asked for twice, of two
	a.transfers.server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var from, to int64
		if n, _ := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &from, &to); n == 2 && !strings.HasPrefix(r.URL.Path, "/v1/blocks/") {
			j := b.transfers.job(ref.CID)
			mu.Lock()
			for i := leafAt(from); i <= leafAt(to); i++ {
				asked.Add(i)
			}
			for i, here := range j.plan.verified() {
				asked[i] &^= here
			}
			most = max(most, asked.Count())
			mu.Unlock()
			j.roster.measured(a.id, 1<<40, time.Second) // so that each run is as long as may be
		}
		serve.ServeHTTP(w, r)
	})
	b.fetch(ref)
	require.LessOrEqual(t, most, maxAhead)
	require.Greater(t, most, maxRun, "so little was asked for that the test tests nothing")
}
