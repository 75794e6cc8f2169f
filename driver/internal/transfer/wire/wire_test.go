package wire

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/bitset"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
)

// TestWhatIsAskedIsHeard shows that the server reads what the client wrote.
func TestWhatIsAskedIsHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var heard *BlobRequest
		s := serve(t, blobs(func(_ context.Context, q *BlobRequest) (io.ReadSeekCloser, error) {
			heard = q
			return body{strings.NewReader("0123456789")}, nil
		}))
		c := cidOf(t, "a")
		for _, terms := range []Terms{
			{}, {Relay: true}, {Remains: true}, {Relay: true, Remains: true}, {Wait: 1500 * time.Millisecond},
			{Wait: time.Hour, Relay: true, Remains: true},
		} {
			span, err := s.client.Span(t.Context(), member, c, 3, 7, terms)
			require.NoError(t, err)
			got, err := io.ReadAll(span)
			require.NoError(t, err)
			require.NoError(t, span.Close())
			require.Equal(t, "3456", string(got))
			require.Equal(t, &BlobRequest{CID: c, Peer: self, Ranged: true, From: 3, To: 6, Terms: terms}, heard)
		}
		for _, fetching := range []bool{false, true} {
			whole, some, err := s.client.Holds(t.Context(), member, dag.Ref{CID: c, Size: 10}, fetching)
			require.NoError(t, err)
			require.True(t, whole)
			require.Nil(t, some)
			require.Equal(t, &BlobRequest{CID: c, Peer: self, Fetching: fetching}, heard)
		}
		require.Equal(t, int64(4*6), s.Out())
		require.Zero(t, s.client.DataIn())
	})
}

// TestRequestsOfOthers shows how requests that our client does not send are read.
func TestRequestsOfOthers(t *testing.T) {
	for query, want := range map[string]Terms{
		"?wait": {}, "?wait=": {}, "?wait=soon": {}, "?wait=-1h": {}, "?wait=1h&later": {Wait: time.Hour},
		"?relay=1&remains=no": {Relay: true, Remains: true},
	} {
		r, err := http.NewRequest(http.MethodGet, "http://x/"+query, nil)
		require.NoError(t, err)
		require.Equal(t, want, termsOf(r.URL.Query()), query)
	}
	for ranges, ok := range map[string]bool{
		"": false, "bytes=5-": false, "bytes=-5": false, "bytes=7-5": false, "leaves=0-1": false, "bytes=0-0": true,
	} {
		r := &http.Request{Header: http.Header{"Range": {ranges}}}
		_, _, ranged := rangeOf(r)
		require.Equal(t, ok, ranged, ranges)
	}
}

// TestRefusalsAreUnderstood shows that the client returns the error that the server was given.
func TestRefusalsAreUnderstood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var refusal error
		s := serve(t, Answers{
			Blob:  func(context.Context, *BlobRequest) (io.ReadSeekCloser, error) { return nil, refusal },
			Have:  func(peer.ID, cid.Cid) (bitset.Set, error) { return bitset.Set{5}, nil },
			Block: func(context.Context, cid.Cid) ([]byte, error) { return nil, refusal },
			Doubt: func(peer.ID, cid.Cid, int) error { return refusal },
		})
		ref := dag.Ref{CID: cidOf(t, "a"), Size: 3 * dag.LeafSize}
		span := func(err error) error {
			refusal = err
			_, err = s.client.Span(t.Context(), member, ref.CID, 0, 1, Terms{})
			require.ErrorContains(t, err, member.String())
			return err
		}
		require.ErrorIs(t, span(ErrGone), ErrGone)
		require.NotErrorIs(t, span(ErrGone), ErrNotYet)
		require.ErrorIs(t, span(&LackingError{Size: 5}), ErrNotYet)
		require.ErrorIs(t, span(&LackingError{Size: 5, Damaged: true}), ErrNotYet)
		relayed, ok := errors.AsType[*RelayedError](span(&RelayedError{IDs: []peer.ID{self, member}}))
		require.True(t, ok)
		require.Equal(t, []peer.ID{self, member}, relayed.IDs)
		require.NotErrorIs(t, span(errors.New("the disk is broken")), ErrGone)
		require.Equal(t, logrus.WarnLevel, s.logs.LastEntry().Level)

		for _, damaged := range []bool{false, true} {
			refusal = &PartialError{Damaged: damaged}
			whole, some, err := s.client.Holds(t.Context(), member, ref, true)
			require.NoError(t, err)
			require.False(t, whole)
			require.Equal(t, &Part{Leaves: bitset.Set{5}, Damaged: damaged}, some)
			_, some, err = s.client.Holds(t.Context(), member, ref, false)
			require.NoError(t, err)
			require.Equal(t, &Part{Damaged: damaged}, some)
		}
		refusal = ErrGone
		whole, some, err := s.client.Holds(t.Context(), member, ref, true)
		require.NoError(t, err)
		require.False(t, whole)
		require.Nil(t, some)
		_, err = s.client.Block(t.Context(), member, ref.CID)
		require.ErrorIs(t, err, ErrGone)
		for _, refusal = range []error{ErrGone, ErrNoLeaf, ErrTooMany} {
			require.Error(t, s.client.Doubt(t.Context(), member, ref.CID, 1))
		}
		refusal = nil
		require.NoError(t, s.client.Doubt(t.Context(), member, ref.CID, 1))
	})
}

// TestAnswersAreBounded shows that the client reads a bounded answer, whatever a member sends.
func TestAnswersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var have bitset.Set
		s := serve(t, Answers{
			Have:  func(peer.ID, cid.Cid) (bitset.Set, error) { return have, nil },
			Block: func(context.Context, cid.Cid) ([]byte, error) { return make([]byte, maxBlock+1), nil },
			Blob: func(context.Context, *BlobRequest) (io.ReadSeekCloser, error) {
				return body{strings.NewReader("short")}, nil
			},
		})
		ref := dag.Ref{CID: cidOf(t, "a"), Size: 100 * dag.LeafSize}
		have = bitset.Full(104) // a set has whole bytes
		got, err := s.client.Have(t.Context(), member, ref)
		require.NoError(t, err)
		require.Equal(t, bitset.Full(100), got, "of leaves that the blob does not have")
		have = bitset.Full(105)
		_, err = s.client.Have(t.Context(), member, ref)
		require.ErrorIs(t, err, ErrLied)
		_, err = s.client.Block(t.Context(), member, ref.CID)
		require.ErrorIs(t, err, ErrLied)
		_, err = s.client.Span(t.Context(), member, ref.CID, 0, 10, Terms{})
		require.ErrorIs(t, err, ErrLied)
	})
}

// A holder may name as many members as it likes: only a few of them are read.
func TestRelaysAreBounded(t *testing.T) {
	require.Len(t, readRelays(strings.Repeat(member.String()+",", 1000)), maxRelays)
	require.Empty(t, readRelays("nobody,,"))
}

// by dials the server as the member from.
func (s *served) by(t *testing.T, from peer.ID) net.Conn {
	t.Helper()
	c, err := s.streams.dial(t.Context(), from)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// TestAMemberBeyondItsBound shows that a member with too many requests is told so until some of
// them are done, while other members are answered.
func TestAMemberBeyondItsBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		free := make(chan struct{})
		s := serve(t, blobs(func(context.Context, *BlobRequest) (io.ReadSeekCloser, error) {
			<-free
			return nil, ErrGone
		}))
		begin := func(from peer.ID) net.Conn {
			c := s.by(t, from)
			_, err := fmt.Fprintf(c, "HEAD /v1/blobs/%s HTTP/1.1\r\nHost: x\r\n\r\n", cidOf(t, "a"))
			require.NoError(t, err)
			synctest.Wait()
			return c
		}
		status := func(c net.Conn) int {
			resp, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: http.MethodHead})
			require.NoError(t, err)
			return resp.StatusCode
		}
		var conns []net.Conn
		for range 256 { // of one trusted member
			conns = append(conns, begin(self))
		}
		require.Equal(t, http.StatusServiceUnavailable, status(begin(self)))
		conns = append(conns, begin(member))
		close(free)
		for _, c := range conns {
			require.Equal(t, http.StatusNotFound, status(c))
		}
		require.Equal(t, http.StatusNotFound, status(begin(self)))
	})
}

// TestWhoIsNoMemberAnyMore shows that a peer that is no longer a member is told so, and that its
// connection is closed.
func TestWhoIsNoMemberAnyMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, leaves(nil, nil), func(cfg *ServerConfig) {
			cfg.Admits = func(remote string) bool { return remote == self.String() }
		})
		for from, want := range map[peer.ID]int{self: http.StatusOK, member: http.StatusForbidden} {
			c := s.by(t, from)
			_, err := fmt.Fprintf(c, "GET /v1/blobs/%s/have HTTP/1.1\r\nHost: x\r\n\r\n", cidOf(t, "a"))
			require.NoError(t, err)
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			require.NoError(t, err)
			require.Equal(t, want, resp.StatusCode)
			require.Equal(t, want == http.StatusForbidden, resp.Close)
		}
	})
}

// A body would be parsed as a form, partly on disk, or the server would wait for it.
func TestRequestsWithABodyAreRefused(t *testing.T) {
	for name, rest := range map[string]string{
		"multipart": "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 9\r\n\r\n--x\r\nmore",
		"chunked":   "Transfer-Encoding: chunked\r\n\r\n",
		"no more":   "Content-Length: 9\r\n\r\nless",
	} {
		for _, path := range []string{"blobs/" + cidOf(t, "a").String(), "nowhere"} {
			t.Run(name+" to "+path[:5], func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					begin := time.Now()
					c := serve(t, Answers{}).by(t, self)
					_, err := fmt.Fprintf(c, "GET /v1/%s HTTP/1.1\r\nHost: b\r\n%s", path, rest)
					require.NoError(t, err)
					answers := bufio.NewReader(c)
					resp, err := http.ReadResponse(answers, nil)
					require.NoError(t, err)
					require.Equal(t, http.StatusBadRequest, resp.StatusCode)
					_, err = io.Copy(io.Discard, resp.Body)
					require.NoError(t, err)
					_, err = answers.ReadByte()
					require.ErrorIs(t, err, io.EOF, "the server waits for the rest of the body")
					require.Less(t, time.Since(begin), time.Second)
				})
			})
		}
	}
}

// Answers without a blob end, too, when the member does not read them.
func TestWhoTakesNoAnswersIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin, lasts := time.Now(), 100*time.Millisecond
		s := serve(t, leaves(nil, ErrGone), func(cfg *ServerConfig) { cfg.Send = lasts })
		c := s.by(t, self)
		var err error
		for err == nil { // until an unread answer blocks the next request
			_, err = fmt.Fprintf(c, "GET /v1/blobs/%s/have HTTP/1.1\r\nHost: a\r\n\r\n", cidOf(t, "a"))
		}
		require.GreaterOrEqual(t, time.Since(begin), lasts)
		require.Less(t, time.Since(begin), 2*lasts)
	})
}

// TestASlowReaderIsServed shows that a slow reader is served as long as it reads something now and
// then.
func TestASlowReaderIsServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 10 << 20
		s := serve(t, blobs(func(context.Context, *BlobRequest) (io.ReadSeekCloser, error) {
			return body{strings.NewReader(strings.Repeat("x", size))}, nil
		}), func(cfg *ServerConfig) { cfg.Send = time.Second })
		span, err := s.client.Span(t.Context(), member, cidOf(t, "a"), 0, size, Terms{})
		require.NoError(t, err)
		buf := make([]byte, size/100)
		for range 100 {
			time.Sleep(100 * time.Millisecond)
			_, err := io.ReadFull(span, buf)
			require.NoError(t, err)
		}
		require.NoError(t, span.Close())
	})
}

// TestCloseWaitsForRequests shows that Close waits for requests that are being answered.
func TestCloseWaitsForRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := false
		s := serve(t, blobs(func(ctx context.Context, _ *BlobRequest) (io.ReadSeekCloser, error) {
			<-ctx.Done()
			time.Sleep(time.Second)
			ended = true
			return nil, ErrGone
		}))
		go func() { _, _ = s.client.Span(context.Background(), member, cidOf(t, "a"), 0, 1, Terms{}) }()
		synctest.Wait()
		require.NoError(t, s.Close())
		require.True(t, ended)
		require.False(t, s.hold())
	})
}

// TestAMemberIsBlamedOnce shows that an error names a member once, however many functions blamed
// it.
func TestAMemberIsBlamedOnce(t *testing.T) {
	err := Blame(member, fmt.Errorf("leaf 3: %w", Blame(member, ErrGone)))
	require.Equal(t, 1, strings.Count(err.Error(), member.String()), err)
	require.ErrorIs(t, err, ErrGone)
	ctx, cancel := context.WithCancelCause(t.Context())
	require.NotErrorIs(t, Because(ctx, member, ErrGone), ErrSilent)
	cancel(ErrSilent)
	require.ErrorIs(t, Because(ctx, member, context.Canceled), ErrSilent)
}
