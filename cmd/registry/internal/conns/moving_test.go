package conns

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// pipes is a listener in memory, so that a server can be tried in a bubble, where hours pass at
// once.
type pipes struct {
	conns chan net.Conn
	ended chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.ended:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.ended); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// inBubble runs a guarded server with a handler. Each connection that dial makes is ended when
// the test is.
func inBubble(t *testing.T, h http.HandlerFunc, f func(t *testing.T, dial func() net.Conn)) {
	synctest.Test(t, func(t *testing.T) {
		p := &pipes{make(chan net.Conn), make(chan struct{})}
		server := &http.Server{Handler: Moving(h)}
		Guard(server, 100)
		served := make(chan error)
		go func() { served <- server.Serve(p) }()
		var all []net.Conn
		defer func() {
			for _, c := range all {
				_ = c.Close()
			}
			_ = server.Close()
			<-served
			time.Sleep(48 * time.Hour) // the server does not wait for connections that it is closing, nor pipes for us
		}()
		f(t, func() net.Conn {
			client, conn := net.Pipe()
			p.conns <- conn
			all = append(all, client)
			return client
		})
	})
}

// closedAfter waits until the server closes a connection, and says when.
func closedAfter(t *testing.T, c net.Conn) time.Duration {
	t.Helper()
	began := time.Now()
	_, err := io.Copy(io.Discard, c)
	require.NoError(t, err)
	return time.Since(began)
}

func send(t *testing.T, c net.Conn, text string) {
	t.Helper()
	_, err := io.WriteString(c, text)
	require.NoError(t, err)
}

func answer200(t *testing.T, c net.Conn) *bufio.Reader {
	t.Helper()
	r := bufio.NewReader(c)
	resp, err := http.ReadResponse(r, nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, resp.StatusCode)
	_, err = io.Copy(io.Discard, resp.Body)
	require.NoError(t, err)
	return r
}

// TestWaiting: a header that does not come is waited for as long as HeaderTime, and the next
// request of a connection for as long as idleTime.
func TestWaiting(t *testing.T) {
	inBubble(t, func(http.ResponseWriter, *http.Request) {}, func(t *testing.T, dial func() net.Conn) {
		require.Equal(t, HeaderTime, closedAfter(t, dial()), "nothing was sent")
		c := dial()
		send(t, c, "GET / HTTP/1.1\r\nHost: a\r\nX-A: ")
		require.Equal(t, HeaderTime, closedAfter(t, c), "half a header was sent")
		c = dial()
		send(t, c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		answer200(t, c)
		require.Equal(t, idleTime, closedAfter(t, c))
		c = dial()
		send(t, c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		answer200(t, c)
		send(t, c, "GET / HTTP/1.1\r\n")
		require.Equal(t, HeaderTime, closedAfter(t, c), "half a second header was sent")
	})
}

// TestLargeHeaders are refused before they take memory.
func TestLargeHeaders(t *testing.T) {
	inBubble(t, func(http.ResponseWriter, *http.Request) {}, func(t *testing.T, dial func() net.Conn) {
		c := dial()
		go func() {
			_, _ = fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: a\r\nX-A: %s\r\n\r\n", make([]byte, 2*maxHeader))
		}()
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		require.NoError(t, err)
		require.Equal(t, http.StatusRequestHeaderFieldsTooLarge, resp.StatusCode)
	})
}

// TestBodiesOfRefusedRequests: a client that was answered, and told to log in for example, does
// not keep its connection by sending no more of its body.
func TestBodiesOfRefusedRequests(t *testing.T) {
	refuse := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }
	inBubble(t, refuse, func(t *testing.T, dial func() net.Conn) {
		c := dial()
		send(t, c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc")
		require.Equal(t, leftover, closedAfter(t, c))
	})
	long := func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 1<<20)) }
	inBubble(t, long, func(t *testing.T, dial func() net.Conn) {
		c := dial()
		send(t, c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc")
		require.Equal(t, leftover, closedAfter(t, c))
	})
}

// uploading tells what became of the body of a request.
func uploading(got chan<- error, size *int64) http.HandlerFunc {
	return func(_ http.ResponseWriter, r *http.Request) {
		var err error
		*size, err = io.Copy(io.Discard, r.Body)
		time.Sleep(time.Hour) // as long as the registry itself takes
		got <- errors.Join(err, r.Context().Err())
	}
}

// TestSilentUploads end when nothing came for silence, or too little.
func TestSilentUploads(t *testing.T) {
	got := make(chan error, 1)
	for name, pause := range map[string]time.Duration{"silent": 24 * time.Hour, "dripping": time.Second} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w http.ResponseWriter, r *http.Request) {
				began := time.Now()
				_, err := io.Copy(io.Discard, r.Body)
				require.Equal(t, silence, time.Since(began).Round(time.Second))
				got <- err
			}, func(t *testing.T, dial func() net.Conn) {
				c := dial()
				send(t, c, "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n")
				go func() {
					for {
						if _, err := c.Write([]byte("ab")); err != nil {
							return
						}
						time.Sleep(pause)
					}
				}()
				_, _ = io.Copy(io.Discard, c)
				_ = c.Close()
			})
			require.ErrorIs(t, <-got, os.ErrDeadlineExceeded)
		})
	}
}

// TestSlowUploads go on: a layer over 1 Mbit/s, for longer than anything is waited for. What the
// registry does afterwards takes as long as it takes.
func TestSlowUploads(t *testing.T) {
	got := make(chan error, 1)
	var size int64
	inBubble(t, uploading(got, &size), func(t *testing.T, dial func() net.Conn) {
		const all, second = 48 << 20, 125_000
		c := dial()
		send(t, c, fmt.Sprintf("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", all))
		for sent := 0; sent < all; sent += second {
			_, err := c.Write(make([]byte, min(second, all-sent)))
			require.NoError(t, err)
			time.Sleep(time.Second)
		}
		answer200(t, c)
		require.NoError(t, <-got)
		require.EqualValues(t, all, size)
	})
}

// TestDownloads go on while the client reads, however slowly, and end when it does not.
func TestDownloads(t *testing.T) {
	const all = 48 << 20
	var got chan error
	download := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(all))
		_, err := io.Copy(w, bytes.NewReader(make([]byte, all)))
		got <- err
	}
	inBubble(t, download, func(t *testing.T, dial func() net.Conn) {
		got = make(chan error, 1)
		c := dial()
		send(t, c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		require.NoError(t, err)
		var n int64
		for buf := make([]byte, 125_000); err == nil; time.Sleep(time.Second) {
			var m int
			m, err = io.ReadFull(resp.Body, buf)
			n += int64(m)
		}
		require.EqualValues(t, all, n)
		require.NoError(t, <-got)
	})
	inBubble(t, download, func(t *testing.T, dial func() net.Conn) {
		got = make(chan error, 1)
		c := dial()
		began := time.Now()
		send(t, c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		_, err := io.ReadFull(c, make([]byte, 1000))
		require.NoError(t, err)
		require.ErrorIs(t, <-got, os.ErrDeadlineExceeded)
		require.Equal(t, silence, time.Since(began))
	})
}
