package main_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// stranger opens connections of HTTP at an address of its own, and keeps them.
type stranger struct {
	t     *testing.T
	from  string
	conns []net.Conn
}

// open opens n connections, sends half of something on each, and reads nothing. Those that are
// closed at once are as good.
func (s *stranger) open(n int, addr, half string) {
	s.t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(s.from)}}
	for range n {
		c, err := d.DialContext(s.t.Context(), "tcp", addr)
		if err != nil {
			s.t.Fatal(err)
		}
		s.conns = append(s.conns, c)
		_, _ = io.WriteString(c, half)
	}
}

func (s *stranger) leave() {
	for _, c := range s.conns {
		_ = c.Close()
	}
	s.conns = nil
}

// TestStrangersKeepNoConnections: thousands of half-sent headers and bodies, of two addresses and
// without a login, do not keep clients from a registry that may open 2,048 files, nor it from
// its members.
func TestStrangersKeepNoConnections(t *testing.T) {
	var files unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err != nil || files.Cur < 4096 {
		t.Skipf("this test may open %d files: %v", files.Cur, err)
	}
	key := keygen(t)
	a := newProcess(t, key)
	b := newProcess(t, key, a.bootstrap())
	debug := b.debugged(t)
	b.Env = append(b.Env, "REGISTRY_HTTP_DEBUG_PROMETHEUS_ENABLED=true")
	b.Exec = under("sh", "-c", `ulimit -n 2048 && exec "$0" "$@"`)
	a.start()
	b.start()
	awaitAllConnected(t, []*process{a, b})
	img := push(t, a, "before:1")
	pull(t, b, "before:1", img)

	const rounds, each = 3, 500
	var strangers sync.WaitGroup
	for i, half := range []string{
		"GET /v2/ HTTP/1.1\r\nHost: a\r\nX-A: ",
		"POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nabc",
	} {
		s := &stranger{t: t, from: fmt.Sprintf("127.0.0.%d", 20+i)}
		t.Cleanup(s.leave)
		strangers.Go(func() {
			for range rounds {
				s.open(each, b.HTTP, half)
			}
		})
	}
	for i := range rounds {
		name := fmt.Sprintf("during:%d", i)
		img := push(t, b, name)
		pull(t, a, name, img)
		name = fmt.Sprintf("elsewhere:%d", i)
		img = push(t, a, name)
		pull(t, b, name, img)
	}
	strangers.Wait()
	page := series(t, metricsPage(t, debug))
	if n := page[`registry_ipfs_http_connections{state="waiting"}`] + page[`registry_ipfs_http_connections{state="working"}`]; n > 2048/6 {
		t.Errorf("%v connections are open", n)
	}
	if page[`registry_ipfs_http_connections_closed_total{why="address"}`] == 0 {
		t.Error("nothing was closed")
	}
	if connectedTo(b) != 1 {
		t.Error("the member is gone")
	}
	lateImg := push(t, b, "after:1")
	pull(t, a, "after:1", lateImg)
	if resp, err := http.Get("http://" + b.HTTP + "/v2/"); err != nil || resp.StatusCode != http.StatusOK || resp.Body.Close() != nil {
		t.Error(resp, err)
	}
	if lines := b.logLines(t, "too many"); len(lines) == 0 || strings.Contains(strings.Join(lines, ""), "too many open files") {
		t.Error(lines)
	}
}
