package transfer

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/wire"
)

// midTransfer is a registry that has the first leaves of a blob, and one that asks.
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

// ask connects one member to another as HTTP does.
func (r *registry) ask(to *registry) net.Conn {
	r.t.Helper()
	c, err := r.Dial(r.t.Context(), to.id, Protocol)
	require.NoError(r.t, err)
	r.t.Cleanup(func() { _ = c.Close() })
	require.NoError(r.t, c.SetDeadline(time.Now().Add(patient)))
	return c
}

// A body would be parsed as a form, partly on disk, or waited for.
func TestRequestsWithABodyAreRefused(t *testing.T) {
	b, asks, ref := midTransfer(t)
	for name, body := range map[string]string{
		"multipart": "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 9\r\n\r\n--x\r\nmore",
		"chunked":   "Transfer-Encoding: chunked\r\n\r\n",
		"no more":   "Content-Length: 9\r\n\r\nless",
	} {
		for _, path := range []string{"blobs/" + ref.CID.String(), "nowhere"} {
			t.Run(name+" to "+path[:5], func(t *testing.T) {
				c := asks.ask(b)
				_, err := fmt.Fprintf(c, "GET /v1/%s HTTP/1.1\r\nHost: b\r\n%s", path, body)
				require.NoError(t, err)
				answers := bufio.NewReader(c)
				resp, err := http.ReadResponse(answers, nil)
				require.NoError(t, err)
				require.Equal(t, http.StatusBadRequest, resp.StatusCode)
				_, err = io.Copy(io.Discard, resp.Body)
				require.NoError(t, err)
				_, err = answers.ReadByte()
				require.ErrorIs(t, err, io.EOF, "the rest of the body is waited for")
			})
		}
	}
}

func TestNobodyTellsThatAnotherFetches(t *testing.T) {
	b, asks, ref := midTransfer(t)
	_, _, err := asks.transfers.client.holds(t.Context(), b.id, ref, true)
	require.NoError(t, err)
	require.Contains(t, b.transfers.job(ref.CID).roster.fetchers(maxPolled), asks.id)

	another := asks.town.registry(t)
	resp, err := asks.transfers.client.do(t.Context(), http.MethodHead, b.id,
		"blobs/"+ref.CID.String()+"?fetching="+another.id.String()+"&fetcher="+another.id.String(), "", http.StatusOK)
	require.ErrorIs(t, err, wire.ErrGone)
	require.NotEmpty(t, resp.Header.Get(partialHeader))
	require.NotContains(t, b.transfers.job(ref.CID).roster.fetchers(maxPolled), another.id)
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

	data, err := b.transfers.client.block(t.Context(), a.id, ref.CID)
	require.NoError(t, err)
	require.True(t, dag.Matches(ref.CID, data))
	for _, c := range []cid.Cid{leaf, cid.NewCidV1(cid.DagProtobuf, leaf.Hash()), extra.Cid()} {
		_, err = b.transfers.client.block(t.Context(), a.id, c)
		require.ErrorIs(t, err, wire.ErrGone)
	}
}

// Answers without a blob end, too, when they are not taken.
func TestWhoTakesNoAnswersIsLeft(t *testing.T) {
	var town town
	a, b := town.registry(t), town.registry(t)
	require.Equal(t, a.timing.send, a.transfers.server.WriteTimeout)
	a.transfers.server.WriteTimeout = 100 * time.Millisecond
	c := b.ask(a)
	request := fmt.Sprintf("GET /v1/blobs/%s HTTP/1.1\r\nHost: a\r\n\r\n", rawCID(t))
	var err error
	for err == nil { // until there is no room for answers, and then for requests
		_, err = io.WriteString(c, strings.Repeat(request, 100))
	}
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
}
