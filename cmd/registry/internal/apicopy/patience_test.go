package apicopy

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/stretchr/testify/require"
)

// endless gives bytes as long as it is read.
type endless struct{}

func (endless) Read(b []byte) (int, error) { return len(b), nil }

// TestPatience ends with an answer of which nothing more comes, and with a request of which nothing more is taken. What
// is slow, and moves, goes on.
func TestPatience(t *testing.T) {
	over := make(chan struct{})
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/stalls":
			w.Header().Set("Content-Length", "10")
			_, _ = io.WriteString(w, "12345")
			_ = http.NewResponseController(w).Flush()
			<-over
		case "/takes-nothing":
			<-over
		case "/slow":
			for range 12 {
				_, _ = io.WriteString(w, "1")
				_ = http.NewResponseController(w).Flush()
				select {
				case <-time.After(300 * time.Millisecond):
				case <-over:
				}
			}
		}
	}))
	t.Cleanup(h.Close)
	t.Cleanup(func() { close(over) })
	came := new(atomic.Int64)
	client := http.Client{Transport: patience{http.DefaultTransport, 3 * time.Second, came}}
	ask := func(path string, body io.Reader) ([]byte, error) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, h.URL+path, body)
		require.NoError(t, err)
		answer, err := client.Do(r)
		if err != nil {
			return nil, err
		}
		content, err := io.ReadAll(answer.Body)
		require.NoError(t, answer.Body.Close())
		return content, err
	}

	content, err := ask("/stalls", nil)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.ErrorContains(t, err, "nothing was sent for 3s")
	require.ErrorContains(t, err, strings.TrimPrefix(h.URL, "http://"))
	require.Equal(t, "12345", string(content))
	require.EqualValues(t, 5, came.Load())

	_, err = ask("/takes-nothing", endless{})
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.ErrorContains(t, err, "nothing was taken for 3s")

	content, err = ask("/slow", strings.NewReader("x"))
	require.NoError(t, err)
	require.Equal(t, "111111111111", string(content))
}

// TestTooManyRequests: a registry that says when to ask again gets no request before, and what it refused is copied then.
func TestTooManyRequests(t *testing.T) {
	for name, after := range map[string]func(wait time.Duration) string{
		"seconds": func(wait time.Duration) string { return strconv.Itoa(int(wait / time.Second)) },
		"a date": func(wait time.Duration) string {
			return time.Now().Add(wait + time.Second).UTC().Format(http.TimeFormat)
		}, // whole seconds
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const busy = 6 * time.Second // longer than what is waited between attempts
			var first, early atomic.Int64
			h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				now := time.Now().UnixNano()
				if first.CompareAndSwap(0, now) {
					w.Header().Set("Retry-After", after(busy))
					w.WriteHeader(http.StatusTooManyRequests)
				} else if time.Duration(now-first.Load()) < busy {
					early.Add(1)
					w.WriteHeader(http.StatusTooManyRequests)
				}
			}))
			t.Cleanup(h.Close)
			r, err := At(h.URL, nil)
			require.NoError(t, err)
			_, err = remote.Catalog(t.Context(), r.at, r.options...)
			require.Error(t, err) // that of an empty answer: it was given one
			require.NotContains(t, err.Error(), "429")
			require.Zero(t, early.Load())
		})
	}
}

// TestReasons say nothing with which others could go on.
func TestReasons(t *testing.T) {
	err := &url.Error{Op: "Patch", URL: "http://a/v2/uploads/1?_state=secret", Err: io.ErrUnexpectedEOF}
	require.Equal(t, `Patch "http://a/v2/uploads/1": unexpected EOF`, reasonOf(err))
}
