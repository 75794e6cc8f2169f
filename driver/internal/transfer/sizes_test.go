package transfer

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/bitset"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/story"
)

// These are the numbers that a member or an entry says and by which something is allocated, and
// what bounds each before that.
//
//	an entry's size: a buffer for a blob of one leaf,
//	  sets of leaves, the order of members, marks        dag.Ref.Check: Open, Fetch*, Mend, Holders*,
//	                                                     wire.Client.Have, blob.Store.Check and
//	                                                     Inspect; the blob's record: blob.readNumber
//	an entry's size: room on the disk                    the same; replica.Keeper
//	size of keep and of take                             dag.MaxSize: wire.Server
//	the length of a body                                 it is read as it comes: wire.maxBlock,
//	                                                     maxRefusal, maxCopies, maxQuestion; a leaf
//	the leaves that a member has                         those of the blob: wire.Client.Have
//	links of an inner block                              dag.maxInner; as many as the size makes
//	relays that a holder names                           wire.maxRelays
//	blobs of a question about copies                     wire.MaxCopies
//	the length of a frame about paths                    pathmap.maxFrame
//	the length of a greeting                             peer.maxHello

// TestASizeThatNoBlobHas shows that such a size, in an entry or said by a member, costs nothing but
// an error, whatever is done with it.
func TestASizeThatNoBlobHas(t *testing.T) {
	var town town
	a, b := town.registry(t), town.registry(t)
	content := random(73, 3*mib)
	ref := a.push(content)
	raw := dag.Ref{CID: a.push(random(74, 3000)).CID}
	for name, do := range map[string]func(ref dag.Ref) error{
		"read":               func(ref dag.Ref) error { _, err := b.pull(ref, 0); return err },
		"read what is here":  func(ref dag.Ref) error { _, err := a.pull(ref, 0); return err },
		"fetch":              func(ref dag.Ref) error { return b.transfers.Fetch(t.Context(), ref) },
		"fetch for a member": func(ref dag.Ref) error { return b.transfers.FetchFrom(t.Context(), ref, a.id, story.Push) },
		"mend":               func(ref dag.Ref) error { _, err := b.transfers.Mend(t.Context(), ref); return err },
		"the rest of it":     func(ref dag.Ref) error { return want(!b.transfers.restElsewhere(t.Context(), ref)) },
		"who has it": func(ref dag.Ref) error {
			ids, err := b.transfers.Holders(t.Context(), ref)
			return errors.Join(want(len(ids) == 0), err)
		},
		"who has it now": func(ref dag.Ref) error {
			ids, err := b.transfers.HoldersNow(t.Context(), ref)
			return errors.Join(want(len(ids) == 0), err)
		},
		"which leaves": func(ref dag.Ref) error { _, err := b.transfers.client.Have(t.Context(), a.id, ref); return err },
		"how much": func(ref dag.Ref) error {
			_, _, err := b.transfers.client.Holds(t.Context(), a.id, ref, true)
			return want(err == nil) // the member has a blob of that CID
		},
		"keep": func(ref dag.Ref) error { return b.post(a, "blobs/"+ref.CID.String()+"/keep?wait=1s&size="+said(ref)) },
		"take": func(ref dag.Ref) error { return b.post(a, "uploads/x/take?wait=1s&size="+said(ref)) },
	} {
		t.Run(name, func(t *testing.T) {
			for _, size := range []int64{dag.MaxSize + 1, 1 << 50, 1 << 62, math.MaxInt64} {
				for _, c := range []dag.Ref{ref, raw} {
					c.Size = size
					before := allocated()
					err := do(c)
					require.Less(t, allocated()-before, uint64(32*mib), "%d bytes", size)
					require.Error(t, err)
				}
			}
		})
	}
	require.True(t, a.blobs.Has(ref.CID), "what is right was set aside")
	b.requirePull(ref, content)
}

var errAsWanted = errors.New("as wanted")

// want is an error in any case, one that the test takes for none when it is as it should be.
func want(ok bool) error {
	if ok {
		return errAsWanted
	}
	return nil
}

func said(ref dag.Ref) string { return strconv.FormatInt(ref.Size, 10) }

// post sends a request by hand, and returns an error when it is refused as malformed.
func (r *registry) post(to *registry, path string) error {
	c := r.ask(to)
	_, err := fmt.Fprintf(c, "POST /v1/%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", path)
	require.NoError(r.t, err)
	answer, err := io.ReadAll(c)
	require.NoError(r.t, err)
	if strings.HasPrefix(string(answer), "HTTP/1.1 400 ") {
		return errAsWanted
	}
	return nil
}

func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// TestLeavesThatABlobDoesNotHave shows that a member that says it has them does not count as one
// that has the whole blob.
func TestLeavesThatABlobDoesNotHave(t *testing.T) {
	var town town
	a, b := town.registry(t), town.registry(t)
	ref := a.push(random(75, 3*mib))
	var says atomic.Value // string
	a.transfers.server.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, says.Load().(string)) })
	for said, want := range map[string]bitset.Set{"\xf9": {1}, "\xff": {7}, "": {}} {
		says.Store(said)
		have, err := b.transfers.client.Have(t.Context(), a.id, ref)
		require.NoError(t, err)
		require.Equal(t, want, have)
	}
	says.Store("\x01\x00")
	_, err := b.transfers.client.Have(t.Context(), a.id, ref)
	require.Error(t, err)
}
