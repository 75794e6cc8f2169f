package transfer

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/wire"
)

// TestABusyHolder shows that a holder that refuses requests for now is asked again.
func TestABusyHolder(t *testing.T) {
	t.Parallel()
	var town town
	a, b := town.registry(t), town.registry(t)
	content := random(80, 3*mib)
	ref := a.push(content)
	serve := a.transfers.server.Handler
	var refused atomic.Int64
	var free atomic.Bool
	a.transfers.server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if free.Load() {
			serve.ServeHTTP(w, r)
			return
		}
		refused.Add(1)
		http.Error(w, "too many requests at once", http.StatusServiceUnavailable)
	})
	pulled := make(chan error, 1)
	go func() { pulled <- b.transfers.Fetch(context.Background(), ref) }()
	eventually(t, func() bool { return refused.Load() > 1 }, "it is not asked")
	free.Store(true)
	require.NoError(t, <-pulled)
}

// TestAReaderThatTakesNothing shows that a member that reads nothing is cut off, on each way.
func TestAReaderThatTakesNothing(t *testing.T) {
	for name, w := range map[string]way{"TCP": plainTCP, "streams": realStreams, "data port": realData} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			town := &town{way: w}
			a := town.registry(t, func(r *registry) { r.timing.send = 300 * time.Millisecond })
			b := town.registry(t)
			ref := a.push(random(81, 24*mib)) // more than windows and buffers hold
			serve := a.transfers.server.Handler
			var answered atomic.Int64
			a.transfers.server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				defer answered.Add(1)
				serve.ServeHTTP(w, r)
			})
			c, err := b.Dial(t.Context(), a.id, wire.Protocol)
			if w == realData {
				c, err = b.DialData(t.Context(), a.id)
			}
			require.NoError(t, err)
			defer func() { _ = c.Close() }()
			_, err = fmt.Fprintf(c, "GET /v1/blobs/%s HTTP/1.1\r\nHost: a\r\n\r\n", ref.CID)
			require.NoError(t, err)
			eventually(t, func() bool { _, out := a.transfers.Totals(); return out > 0 }, "nothing is sent")
			eventually(t, func() bool { return answered.Load() == 1 }, "the server still waits for the reader")
			_, out := a.transfers.Totals()
			require.Less(t, out, ref.Size, "everything was read, so that nothing was tested")
		})
	}
}
