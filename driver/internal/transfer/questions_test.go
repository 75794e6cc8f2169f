package transfer

import (
	"bytes"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
)

// boastful has a registry say that it has that many leaves of every blob, and counts how often it
// is asked.
func (r *registry) boastful(leaves int) (asked *atomic.Int64) {
	asked = new(atomic.Int64)
	r.transfers.server.Handler = http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if strings.HasSuffix(q.URL.Path, "/have") {
			asked.Add(1)
			_, _ = w.Write(bytes.Repeat([]byte{0xff}, leaves/8))
			return
		}
		w.Header().Set("Blob-Partial", "true")
		w.WriteHeader(http.StatusNotFound)
	})
	return asked
}

func TestHoldersDoNotAskForLeaves(t *testing.T) {
	var town town
	b := town.registry(t)
	asked := town.registry(t).boastful(1 << 20)
	holders, err := b.transfers.Holders(t.Context(), dag.Ref{CID: rawCID(t), Size: 100 * mib})
	require.NoError(t, err)
	require.Empty(t, holders)
	require.Zero(t, asked.Load())
}
