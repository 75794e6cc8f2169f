package drivertest

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/loopback"
)

// Link is the only way to a member: a forwarder of TCP on loopback whose address
// the member announces instead of its own.
type Link struct {
	target string
	l      net.Listener

	mu    sync.Mutex
	cut   bool
	conns map[net.Conn]struct{}
	wg    sync.WaitGroup
}

// StartLinked starts a registry that others reach only through its link. It has no
// data port.
func StartLinked(t testing.TB, p driver.Parameters) (*Member, *Link) {
	t.Helper()
	target, err := loopback.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	link := &Link{target: target, l: l, conns: map[net.Conn]struct{}{}}
	link.wg.Go(link.accept)
	t.Cleanup(func() {
		_ = l.Close()
		link.Cut(true)
		link.wg.Wait()
	})
	p.DataAddrs = nil // it would be another way
	p.ListenAddrs, p.AnnounceAddrs = []string{tcpAddr(target)}, []string{tcpAddr(l.Addr().String())}
	return Start(t, p), link
}

func tcpAddr(hostport string) string {
	host, port, _ := strings.Cut(hostport, ":")
	return "/ip4/" + host + "/tcp/" + port
}

// Cut breaks all connections through the link and refuses new ones, or lets them
// through again.
func (l *Link) Cut(cut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = cut
	if cut {
		for c := range l.conns {
			_ = c.Close()
		}
	}
}

func (l *Link) accept() {
	for {
		in, err := l.l.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", l.target)
		if err != nil || !l.keep(in, out) {
			_ = in.Close()
			if out != nil {
				_ = out.Close()
			}
			continue
		}
		l.wg.Go(func() { l.forward(in, out) })
		l.wg.Go(func() { l.forward(out, in) })
	}
}

// keep notes two ends of a connection, unless the link is cut.
func (l *Link) keep(ends ...net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range ends {
		if !l.cut {
			l.conns[c] = struct{}{}
		}
	}
	return !l.cut
}

func (l *Link) forward(from, to net.Conn) {
	_, _ = io.Copy(to, from)
	_ = from.Close()
	_ = to.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, from)
}
