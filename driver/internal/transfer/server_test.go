package transfer

import (
	"bufio"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/wire"
)

// midTransfer makes a registry that has the first leaves of a blob, and one that asks it.
func midTransfer(t *testing.T) (b, asks *registry, ref dag.Ref) {
	t.Helper()
	var town town
	a, b := town.registry(t), town.registry(t)
	content := random(70, 5*mib)
	ref = a.push(content)
	a.holdBack(3 * mib)
	readExactly(t, b.open(ref, 0), content[:mib])
	return b, town.registry(t), ref
}

// ask connects one member to another, for requests over HTTP.
func (r *registry) ask(to *registry) net.Conn {
	r.t.Helper()
	c, err := r.Dial(r.t.Context(), to.id, wire.Protocol)
	require.NoError(r.t, err)
	r.t.Cleanup(func() { _ = c.Close() })
	require.NoError(r.t, c.SetDeadline(time.Now().Add(patient)))
	return c
}

// head asks another registry for a blob.
func (r *registry) head(of *registry, ref dag.Ref, query string) *http.Response {
	r.t.Helper()
	c := r.ask(of)
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodHead, "http://x/v1/blobs/"+ref.CID.String()+query, nil)
	require.NoError(r.t, err)
	require.NoError(r.t, req.Write(c))
	resp, err := http.ReadResponse(bufio.NewReader(c), req)
	require.NoError(r.t, err)
	require.NoError(r.t, resp.Body.Close())
	return resp
}

// polled counts how often a registry is asked which leaves it has. The registry has none.
func (r *registry) polled() (asked *atomic.Int64) {
	asked = new(atomic.Int64)
	serve := r.transfers.server.Handler
	r.transfers.server.Handler = http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if strings.HasSuffix(q.URL.Path, "/have") {
			asked.Add(1)
			_, _ = w.Write([]byte{0})
			return
		}
		serve.ServeHTTP(w, q)
	})
	return asked
}

// TestNobodyTellsThatAnotherFetches shows that only the registry that asks is met, and that it is
// asked from then on which leaves it has.
func TestNobodyTellsThatAnotherFetches(t *testing.T) {
	b, asks, ref := midTransfer(t)
	another := asks.town.registry(t)
	ofAsks, ofAnother := asks.polled(), another.polled()
	_, _, err := asks.transfers.client.Holds(t.Context(), b.id, ref, true)
	require.NoError(t, err)
	eventually(t, func() bool { return ofAsks.Load() > 0 }, "it is not met")

	resp := asks.head(b, ref, "?fetching="+another.id.String()+"&fetcher="+another.id.String())
	require.Equal(t, http.StatusNotFound, resp.StatusCode)
	require.NotEmpty(t, resp.Header.Get("Blob-Partial"))
	until := ofAsks.Load() + 2 // all that were met are asked at the same time, and then again
	eventually(t, func() bool { return ofAsks.Load() >= until }, "it is not asked again")
	require.Zero(t, ofAnother.Load())
}

func TestOnlyInnerBlocksAreServed(t *testing.T) {
	var town town
	a, b := town.registry(t), town.registry(t)
	ref := a.push(random(71, 2*mib))
	layout, _, err := dag.ReadLayout(t.Context(), ref.CID, ref.Size, a.blobs.Block)
	require.NoError(t, err)
	leaf, _, _ := layout.Leaf(1)
	extra := blocks.NewBlock(random(72, mib))
	require.NoError(t, a.blobs.Blockstore().Put(t.Context(), extra))

	data, err := b.transfers.client.Block(t.Context(), a.id, ref.CID)
	require.NoError(t, err)
	require.True(t, dag.Matches(ref.CID, data))
	for _, c := range []cid.Cid{leaf, cid.NewCidV1(cid.DagProtobuf, leaf.Hash()), extra.Cid()} {
		_, err = b.transfers.client.Block(t.Context(), a.id, c)
		require.ErrorIs(t, err, wire.ErrGone)
	}
}
