package pathmap_test

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// TestIdleConnectionsKeepNobodyOut: members, one or many, that open connections and ask
// nothing, or read nothing, do not keep others from being answered.
func TestIdleConnectionsKeepNobodyOut(t *testing.T) {
	f := newFabric(t)
	f.interval = time.Hour
	f.loseAll.Store(true)
	a, b := f.add("a"), f.add("b")
	put(t, a, "/p", "1")
	var held []net.Conn
	for i := range 100 {
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 9, 9, byte(1+i%25))}}
		conn, err := dialer.DialContext(t.Context(), "tcp", a.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		held = append(held, conn)
	}
	eventually(t, "most of a member's connections are refused", func() bool {
		open := 0
		for _, conn := range held {
			_ = conn.SetReadDeadline(time.Now().Add(time.Millisecond))
			if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) && !isReset(err) {
				open++
			}
		}
		return open <= 64
	})
	eventually(t, "another is answered", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
		defer cancel()
		return b.m.CatchUp(ctx) == nil && has(b, "/p", "1", t)
	})
}

func isReset(err error) bool {
	var timeout net.Error
	return err != nil && (!errors.As(err, &timeout) || !timeout.Timeout())
}
