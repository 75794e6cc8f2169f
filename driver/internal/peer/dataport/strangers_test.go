package dataport

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/limit"
)

// TestStrangersAreCut, those that say nothing when the time for the handshake is over, those
// with a key of their own when they are not admitted.
func TestStrangersAreCut(t *testing.T) {
	const grace = 3 * time.Second
	for name, c := range map[string]struct {
		secured func(*Port, net.Conn) net.Conn
		after   time.Duration
	}{
		"saying nothing": {func(_ *Port, c net.Conn) net.Conn { return c }, handshakeTime},
		"with a key of its own": {func(p *Port, c net.Conn) net.Conn {
			cfg, _ := p.configFor("") // as good as any other identity
			return tls.Client(c, cfg)
		}, grace},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := config(t)
				cfg.Admit = func(context.Context, peer.ID) error {
					time.Sleep(grace)
					return errors.New("no member")
				}
				p := newPort(cfg)
				here, there := net.Pipe()
				p.own.Go(func() { p.welcome(here) })
				began := time.Now()
				n, err := io.Copy(io.Discard, c.secured(p, there))
				if took := time.Since(began); n > 0 || took != c.after {
					t.Errorf("got %d bytes, %v, after %s", n, err, took)
				}
				p.own.Wait()
				select {
				case <-p.accepted:
					t.Error("a stranger came in")
				default:
				}
			})
		})
	}
}

// TestSilentStrangersAreCut during the handshake, although every peer would be admitted.
func TestSilentStrangersAreCut(t *testing.T) {
	cfg := config(t, "/ip4/127.0.0.1/tcp/0")
	p := open(t, cfg)
	l := p.Listener()
	accepted := make(chan net.Conn, 1)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	}()
	addr := l.Addr().String()
	for name, protocols := range map[string][]string{"with another protocol": {"h2"}, "with none": nil} {
		t.Run(name, func(t *testing.T) {
			stranger, _ := config(t).Identity.ConfigForPeer(cfg.Self)
			stranger.NextProtos = protocols
			if c, err := tls.Dial("tcp", addr, stranger); err == nil {
				requireCut(t, c)
			}
		})
	}
	t.Run("without a certificate", func(t *testing.T) {
		c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{protocol}})
		if err == nil { // TLS 1.3: the client is done before the server is
			requireCut(t, c)
		}
	})
	select {
	case c := <-accepted:
		t.Errorf("a stranger came in: %s", c.RemoteAddr())
	default:
	}
}

// requireCut waits until the other end has closed a connection.
func requireCut(t *testing.T, c net.Conn) {
	t.Helper()
	defer c.Close()
	_ = c.SetReadDeadline(time.Now().Add(within))
	n, err := io.Copy(io.Discard, c)
	var timeout net.Error
	if n > 0 || errors.As(err, &timeout) && timeout.Timeout() {
		t.Errorf("got %d bytes, %v", n, err)
	}
}

func TestMuteStrangersLeaveRoomForOthers(t *testing.T) {
	cfg := config(t, "/ip4/127.0.0.1/tcp/0")
	a, b := open(t, cfg), open(t, config(t))
	l := echoes(t, a)
	// More connections from one address than it may have handshakes: some are
	// closed long before a handshake's time is over.
	from := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 9)}}
	refused := make(chan bool, 200)
	for range 200 {
		c, err := from.DialContext(t.Context(), "tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		go func() {
			_ = c.SetReadDeadline(time.Now().Add(time.Second))
			_, err := c.Read(make([]byte, 1))
			var timeout net.Error
			refused <- !errors.As(err, &timeout) || !timeout.Timeout()
		}()
	}
	c, err := b.Dial(t.Context(), cfg.Self, at(t, a))
	if err != nil {
		t.Fatal("a peer at another address is kept out:", err)
	}
	_ = c.Close()
	n := 0
	for range 200 {
		if <-refused {
			n++
		}
	}
	if n == 0 || n == 200 {
		t.Errorf("%d of 200 refused at once", n)
	}
}

// TestAFloodFromManyAddresses does not keep out newcomers at others, and members still less: most
// of them get in the first time that they try.
func TestAFloodFromManyAddresses(t *testing.T) {
	cfg := config(t, "/ip4/127.0.0.1/tcp/0")
	cfg.At = func(a netip.Prefix) limit.Rank {
		if a.Addr() == netip.AddrFrom4([4]byte{127, 0, 0, 1}) {
			return limit.Member
		}
		return limit.Stranger
	}
	p, b := open(t, cfg), open(t, config(t))
	l := echoes(t, p)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for i := range 200 {
		from := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 66, byte(i%40), 1)}}
		go func() {
			for ctx.Err() == nil {
				if c, err := from.DialContext(ctx, "tcp", l.Addr().String()); err == nil {
					stop := context.AfterFunc(ctx, func() { _ = c.Close() })
					_, _ = io.Copy(io.Discard, c)
					_ = c.Close()
					stop()
				}
				time.Sleep(300 * time.Millisecond)
			}
		}()
	}
	for deadline := time.Now().Add(within); refusals(cfg, limit.Stranger) < 100; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nobody is refused")
		}
	}
	const newcomers = 10
	in, members := 0, 0
	for i := range newcomers {
		stranger, _ := config(t).Identity.ConfigForPeer(cfg.Self)
		stranger.NextProtos = []string{protocol}
		d := tls.Dialer{Config: stranger, NetDialer: &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, byte(10+i), 0, 1)}}}
		if c, err := d.DialContext(t.Context(), "tcp", l.Addr().String()); err == nil {
			in++
			_ = c.Close()
		}
		if c, err := b.Dial(t.Context(), cfg.Self, at(t, p)); err == nil {
			members++
			_ = c.Close()
		}
	}
	if in <= newcomers/2 || members <= newcomers/2 {
		t.Errorf("%d of %d newcomers, and %d members got in", in, newcomers, members)
	}
}

func refusals(cfg Config, rank limit.Rank) (n int64) {
	for _, r := range cfg.Budget.Refused() {
		if r.What == limit.DataHandshakes && r.Rank == rank {
			n = r.Count
		}
	}
	return n
}
