package conns

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
)

// guarded is a server on loopback with room for 40 connections.
func guarded(t *testing.T, h http.HandlerFunc) (*Table, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := &http.Server{Handler: Moving(h)}
	table := Guard(server, 40)
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(l)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-served
	})
	return table, l.Addr().String()
}

// dialFrom opens a connection from an address of loopback, of which Linux has many.
func dialFrom(t *testing.T, from, to string) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	c, err := d.DialContext(t.Context(), "tcp", to)
	if err != nil {
		t.Skip("loopback has one address: ", err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// halfFrom opens connections on which half a header is sent.
func halfFrom(t *testing.T, n int, from, to string) (all []net.Conn) {
	t.Helper()
	for range n {
		c := dialFrom(t, from, to)
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nX-A: ") // it may be closed by now
		all = append(all, c)
	}
	return all
}

func (t *Table) count() (all, waiting int, closed map[reason]int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	closed = map[reason]int{}
	for why, n := range t.closed {
		closed[why] = n
	}
	return len(t.conns), t.waiting.Len(), closed
}

// TestHalfHeaders of many addresses leave room for those who send whole ones.
func TestHalfHeaders(t *testing.T) {
	table, addr := guarded(t, func(http.ResponseWriter, *http.Request) {})
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	get := func() {
		t.Helper()
		client.CloseIdleConnections()
		resp, err := client.Get("http://" + addr)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
	}
	halfFrom(t, 100, "127.0.0.2", addr)
	get()
	all, _, closed := table.count()
	require.LessOrEqual(t, all, 12, "a quarter, and the client's")
	require.GreaterOrEqual(t, closed[ofAddress], 90)
	for _, from := range []string{"127.0.0.3", "127.0.0.4", "127.0.0.5", "127.0.0.6", "127.0.0.7"} {
		halfFrom(t, 20, from, addr)
		get()
	}
	all, _, closed = table.count()
	require.LessOrEqual(t, all, 40)
	require.Positive(t, closed[forOthers])
}

// TestTheLongestWaitingGivesWay, and of one address, to its own.
func TestTheLongestWaitingGivesWay(t *testing.T) {
	table, addr := guarded(t, func(http.ResponseWriter, *http.Request) {})
	mine := halfFrom(t, 12, "127.0.0.2", addr)
	for i, c := range mine[:2] {
		require.NoError(t, c.SetReadDeadline(time.Now().Add(time.Minute)))
		_, err := c.Read(make([]byte, 1))
		require.Error(t, err, "%d", i)
		require.NotErrorIs(t, err, context.DeadlineExceeded)
	}
	for _, c := range mine[2:] {
		_, err := io.WriteString(c, "\r\nHost: a\r\n\r\n")
		require.NoError(t, err)
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, resp.StatusCode)
	}
	_, _, closed := table.count()
	require.Equal(t, map[reason]int{ofAddress: 2}, closed)
}

// TestWorkedOnConnectionsStay: when a request is worked on for all, new ones are closed. An
// address has at most three quarters of all.
func TestWorkedOnConnectionsStay(t *testing.T) {
	begun, release := make(chan struct{}), make(chan struct{})
	table, addr := guarded(t, func(http.ResponseWriter, *http.Request) {
		begun <- struct{}{}
		<-release
	})
	var working []net.Conn
	work := func(n int, from string) {
		t.Helper()
		for range n {
			c := dialFrom(t, from, addr)
			_, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
			require.NoError(t, err)
			working = append(working, c)
			<-begun
		}
	}
	closed := func(from string) {
		t.Helper()
		_, err := dialFrom(t, from, addr).Read(make([]byte, 1))
		require.Error(t, err)
	}
	work(30, "127.0.0.2")
	closed("127.0.0.2")
	work(10, "127.0.0.3")
	closed("127.0.0.4")
	all, waiting, why := table.count()
	require.Equal(t, 40, all)
	require.Zero(t, waiting)
	require.Equal(t, map[reason]int{ofAddress: 1, nobodyWait: 1}, why)
	close(release)
	for _, c := range working {
		answer200(t, c)
		require.NoError(t, c.Close())
	}
	require.Eventually(t, func() bool { all, _, _ := table.count(); return all == 0 }, time.Minute, time.Millisecond)
	require.Empty(t, table.addrs)
}

// TestMetrics shows both kinds of connections, and all reasons from the start.
func TestMetrics(t *testing.T) {
	table, addr := guarded(t, func(http.ResponseWriter, *http.Request) {})
	halfFrom(t, 11, "127.0.0.2", addr)
	require.Eventually(t, func() bool { _, _, closed := table.count(); return closed[ofAddress] == 1 }, time.Minute, time.Millisecond)
	registry := prometheus.NewPedanticRegistry()
	require.NoError(t, registry.Register(table))
	families, err := registry.Gather()
	require.NoError(t, err)
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.Metric {
			got[m.Label[0].GetValue()] += m.GetGauge().GetValue() + 100*m.GetCounter().GetValue()
		}
	}
	require.Equal(t, map[string]float64{"waiting": 10, "working": 0, "address": 100, "full": 0}, got)
}
