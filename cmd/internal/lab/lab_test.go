package lab

import (
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// openLab skips only when the user is not root, which continuous integration is.
func openLab(t *testing.T) *Lab {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root: not tested")
	}
	l, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// within bounds every wait for what comes soon, even on a busy machine.
const within = 3 * time.Minute

// connect gives both ends of a connection from b to a.
func connect(t *testing.T, a, b *Space) (at, from net.Conn) {
	t.Helper()
	l, err := a.Listen("tcp", a.Addr()+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	if from, err = b.Dial(ctx, "tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if at, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []net.Conn{at, from} {
		_ = c.SetDeadline(time.Now().Add(within))
		t.Cleanup(func() { _ = c.Close() })
	}
	return at, from
}

func TestDelayedLinkHasItsRoundTrip(t *testing.T) {
	a, b, err := openLab(t).Delayed(20 * time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	at, from := connect(t, a, b)
	go func() { _, _ = io.Copy(at, at) }()
	// A busy machine makes some round trips late, not all: until the connection's deadline.
	for took := time.Hour; took >= 40*time.Millisecond; {
		if took, err = RoundTrip(from); err != nil {
			t.Fatal(err)
		}
		if took < 20*time.Millisecond {
			t.Fatalf("a round trip took %v", took)
		}
	}
}

func TestDelayedLinkLosesNothing(t *testing.T) {
	a, b, err := openLab(t).Delayed(20 * time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	at, from := connect(t, a, b)
	const size = 64 << 20
	go func() {
		_, _ = io.CopyN(at, zeros{}, size)
		_ = at.Close()
	}()
	if n, err := io.Copy(io.Discard, from); err != nil || n != size {
		t.Fatalf("%d of %d bytes came: %v", n, size, err)
	}
	out, err := exec.Command("ip", "netns", "exec", a.name, "cat", "/proc/net/dev").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		// Bytes, packets, errors, drops of what came, then of what went.
		if f := strings.Fields(line); f[0] == Device+":" && f[12] != "0" {
			t.Fatalf("the device dropped %s packets", f[12])
		}
	}
}

func TestStarCapsItsLinks(t *testing.T) {
	spaces, err := openLab(t).Star(80, 80)
	if err != nil {
		t.Fatal(err)
	}
	at, from := connect(t, spaces[0], spaces[1])
	const size = 4 << 20 // 0.42 s at 80 Mbit/s
	for _, way := range [][2]net.Conn{{at, from}, {from, at}} {
		began := time.Now()
		go func() { _, _ = io.CopyN(way[0], zeros{}, size) }()
		if _, err := io.CopyN(io.Discard, way[1], size); err != nil {
			t.Fatal(err)
		}
		// tbf lets a burst of 128 KiB through at once, at either end.
		if took := time.Since(began); took < 370*time.Millisecond {
			t.Fatalf("4 MiB came in %v through a link of 80 Mbit/s", took)
		}
	}
}

func TestSpacesAreRemoved(t *testing.T) {
	l := openLab(t)
	spaces, err := l.Star(100, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("ip", "netns", "list").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range spaces {
		if strings.Contains(string(out), s.name) {
			t.Fatalf("%s is still there", s.name)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
