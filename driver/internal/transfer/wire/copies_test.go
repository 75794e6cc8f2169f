package wire

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"
)

func manyCIDs(t *testing.T, n int) (all []cid.Cid) {
	for i := range n {
		all = append(all, cidOf(t, fmt.Sprint(i)))
	}
	return all
}

// TestCopiesAreTold shows that question and answer arrive as they were sent, also over a stream when
// the data port hangs up, and that the longest fit.
func TestCopiesAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var heard CopiesQuestion
		var from peer.ID
		told := make([]Copy, MaxCopies)
		for i := range told {
			told[i] = Copy{Whole: i%2 == 0, Kept: i%3 == 0, Leaves: 1 << 30, Of: 1 << 30}
		}
		s := serve(t, Answers{Copies: func(_ context.Context, id peer.ID, q CopiesQuestion) ([]Copy, error) {
			heard, from = q, id
			return told[:len(q.CIDs)], nil
		}})
		dialed := 0
		s.data = func(ctx context.Context) (c net.Conn, err error) {
			dialed++
			if c, err = s.streams.dial(ctx, self); err == nil {
				err = c.Close()
			}
			return c, err
		}
		for _, n := range []int{0, 1, MaxCopies} {
			q := CopiesQuestion{CIDs: manyCIDs(t, n), Relies: n == 1}
			got, err := s.client.Copies(t.Context(), member, q)
			require.NoError(t, err)
			require.Equal(t, told[:n], got)
			require.Len(t, heard.CIDs, n)
			require.Equal(t, q.Relies, heard.Relies)
			require.Equal(t, self, from)
		}
		require.NotZero(t, dialed)
		_, err := s.client.Copies(t.Context(), member, CopiesQuestion{CIDs: manyCIDs(t, MaxCopies+1)})
		require.ErrorContains(t, err, "at most 1000")
	})
}

// TestQuestionsThatGetNoAnswer: whatever is wrong, nothing is known of the copies.
func TestQuestionsThatGetNoAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var fails error
		extra := 0
		s := serve(t, Answers{Copies: func(ctx context.Context, _ peer.ID, q CopiesQuestion) ([]Copy, error) {
			if errors.Is(fails, context.DeadlineExceeded) {
				<-ctx.Done()
			}
			return make([]Copy, len(q.CIDs)+extra), fails
		}})
		ask := func() error {
			_, err := s.client.Copies(t.Context(), member, CopiesQuestion{CIDs: manyCIDs(t, 3)})
			return err
		}
		require.NoError(t, ask())
		for _, fails = range []error{ErrStranger, context.DeadlineExceeded, errors.New("the disk is broken")} {
			require.ErrorContains(t, ask(), member.String())
		}
		fails = nil
		extra = 1
		require.ErrorIs(t, ask(), ErrLied)
		extra = 10 * MaxCopies * 10
		require.ErrorIs(t, ask(), ErrLied)
		s.Handler = http.NotFoundHandler() // an earlier release
		require.Error(t, ask())
	})
}

// TestQuestionsAreBounded: one that is too long, comes too slowly or cannot be read is refused, as
// is one more than a member may ask at once.
func TestQuestionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		free, answering := make(chan struct{}), 0
		s := serve(t, Answers{Copies: func(_ context.Context, _ peer.ID, q CopiesQuestion) ([]Copy, error) {
			answering++
			<-free
			return make([]Copy, len(q.CIDs)), nil
		}})
		send := func(header, body string) *bufio.Reader {
			c := s.by(t, self)
			_, err := fmt.Fprintf(c, "POST /v1/copies HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n%s", header, body)
			require.NoError(t, err)
			synctest.Wait()
			return bufio.NewReader(c)
		}
		status := func(r *bufio.Reader) int {
			resp, err := http.ReadResponse(r, nil)
			require.NoError(t, err)
			_, err = io.Copy(io.Discard, resp.Body)
			require.NoError(t, err)
			return resp.StatusCode
		}
		long := `{"cids":["bafkqaaa"`
		for range MaxCopies {
			long += `,"bafkqaaa"`
		}
		long += "]}"
		for header, body := range map[string]string{
			"Content-Length: 262145":                     "",
			"Transfer-Encoding: chunked":                 "",
			"Content-Length: 2":                          "[]",
			"Content-Length: 20":                         `{"cids":["nonsense"]}`[:20],
			"Content-Length: 21":                         `{"cids":["nonsense"]}`,
			fmt.Sprintf("Content-Length: %d", len(long)): long,
		} {
			require.Equal(t, http.StatusBadRequest, status(send(header, body)), header)
		}
		began := time.Now()
		require.Equal(t, http.StatusBadRequest, status(send("Content-Length: 20", "{")))
		require.Equal(t, questionTime, time.Since(began))

		var waiting []*bufio.Reader
		const most = 16 // of one trusted member
		for range most {
			waiting = append(waiting, send("Content-Length: 2", "{}"))
		}
		require.Equal(t, http.StatusServiceUnavailable, status(send("Content-Length: 2", "{}")))
		require.Equal(t, most, answering)
		close(free)
		for _, r := range waiting {
			require.Equal(t, http.StatusOK, status(r))
		}
		require.Equal(t, http.StatusOK, status(send("Content-Length: 2", "{}")))
	})
}
