package conns

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestHTTP2: a request of HTTP/2 that does not move ends, too.
func TestHTTP2(t *testing.T) {
	got := make(chan error, 1)
	handler := func(w http.ResponseWriter, r *http.Request) {
		var err error
		switch r.Method {
		case http.MethodPut:
			_, err = io.Copy(io.Discard, r.Body)
		case http.MethodGet:
			for buf := make([]byte, most); err == nil; {
				_, err = w.Write(buf)
			}
		default:
			return
		}
		got <- err
	}
	server := httptest.NewUnstartedServer(moving(http.HandlerFunc(handler), 50*time.Millisecond))
	server.EnableHTTP2 = true
	Guard(server.Config, 40)
	server.StartTLS()
	defer server.Close()
	client := server.Client()

	body, send := io.Pipe()
	defer func() { _ = send.CloseWithError(errors.New("the test has ended")) }()
	go func() { _, _ = send.Write([]byte("some")) }()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, server.URL, body)
	require.NoError(t, err)
	resp, err := client.Do(req)
	if err == nil {
		require.NoError(t, resp.Body.Close())
	}
	require.ErrorIs(t, <-got, os.ErrDeadlineExceeded)

	resp, err = client.Get(server.URL) // and nothing of it is read
	require.NoError(t, err)
	require.Equal(t, 2, resp.ProtoMajor)
	require.Error(t, <-got)
	require.NoError(t, resp.Body.Close())
	resp, err = client.Head(server.URL)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
}
