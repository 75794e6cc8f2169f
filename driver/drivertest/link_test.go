package drivertest

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// echo answers with what it is sent.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(c, c); _ = c.Close() }()
		}
	}()
	return l.Addr().String()
}

func dial(t *testing.T, l *Link) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", l.l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(wait)); err != nil {
		t.Fatal(err)
	}
	return c
}

// there sends n bytes and reads what comes back, in order and unchanged.
func there(t *testing.T, c net.Conn, n int) (took time.Duration, got []byte, err error) {
	t.Helper()
	sent := make([]byte, n)
	for i := range sent {
		sent[i] = byte(i * i >> 8)
	}
	began := time.Now()
	go func() { _, _ = c.Write(sent) }()
	got = make([]byte, n)
	read, err := io.ReadFull(c, got)
	if !bytes.Equal(got[:read], sent[:read]) {
		t.Fatal("other bytes came back")
	}
	return time.Since(began), got[:read], err
}

func TestADelayedLinkKeepsItsBandwidth(t *testing.T) {
	l := newLink(t, echo(t))
	const delay = 100 * time.Millisecond
	l.Delay(delay)
	c := dial(t, l)
	for range 2 {
		took, _, err := there(t, c, 1)
		if err != nil || took < 2*delay {
			t.Errorf("a byte came back after %s, %v", took, err)
		}
	}
	const n = 64 << 20
	if perRead := n / chunk * delay; perRead < wait {
		t.Fatalf("if each read waited it would take %s, which is in time", perRead)
	}
	if _, _, err := there(t, c, n); err != nil {
		t.Fatal(err)
	}
}

func TestAThrottledLink(t *testing.T) {
	l := newLink(t, echo(t))
	l.Throttle(1 << 20)
	took, _, err := there(t, dial(t, l), 300<<10)
	if err != nil || took < 280*time.Millisecond {
		t.Errorf("300 KiB at 1 MiB/s came back after %s, %v", took, err)
	}
}

func TestALinkCutAfterSomeBytes(t *testing.T) {
	l := newLink(t, echo(t))
	l.CutAfter(100<<10 + 7)
	_, got, err := there(t, dial(t, l), 200<<10)
	if err == nil || len(got) > 50<<10+3 {
		t.Errorf("%d bytes came back, %v", len(got), err)
	}
	if !l.IsCut() {
		t.Error("it is not cut")
	}
	if _, _, err := there(t, dial(t, l), 1); err == nil {
		t.Error("a cut link carried a byte")
	}
	l.Cut(false)
	if _, _, err := there(t, dial(t, l), 200<<10); err != nil {
		t.Error(err)
	}
}

func TestABlackHole(t *testing.T) {
	l := newLink(t, echo(t))
	old := dial(t, l)
	if _, _, err := there(t, old, 1000); err != nil {
		t.Fatal(err)
	}
	l.Blackhole(true)
	fresh := dial(t, l)
	for _, c := range []net.Conn{old, fresh} {
		if _, err := c.Write([]byte("x")); err != nil {
			t.Errorf("a write into the black hole: %v", err)
		}
		_ = c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		if n, err := c.Read(make([]byte, 1)); n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%d bytes came out of the black hole, %v", n, err)
		}
	}
	l.Blackhole(false)
	for _, c := range []net.Conn{old, fresh} {
		_ = c.SetReadDeadline(time.Now().Add(wait))
		if n, err := c.Read(make([]byte, 1)); n != 1 {
			t.Errorf("what was sent into it did not arrive: %v", err)
		}
	}
}
