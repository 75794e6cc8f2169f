package peer

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
)

// TestWhoIsAdmitted: a stream's peer that becomes a member within a moment, and no other.
func TestWhoIsAdmitted(t *testing.T) {
	for name, c := range map[string]struct {
		subscribes time.Duration
		want       bool
	}{
		"a member":             {want: true},
		"one that is to be":    {subscribes: admitGrace - 1, want: true},
		"one that is too slow": {subscribes: admitGrace + 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, _ := newLoner(t)
				subscribed := func() { p.roster.subscribed("other", true, true) }
				if c.subscribes == 0 {
					subscribed()
				}
				defer time.AfterFunc(c.subscribes, subscribed).Stop()
				began := time.Now()
				if got := p.admit("other"); got != c.want {
					t.Errorf("%v after %s", got, time.Since(began))
				}
			})
		})
	}
}

// withDataPort is a loner whose data port takes what is handed to welcome.
func withDataPort(t *testing.T) *Peer {
	t.Helper()
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p, _ := newLoner(t)
	p.data = &dataPort{dataConns: newDataConnLimit(), accepted: make(chan net.Conn), closing: make(chan struct{})}
	if p.data.identity, err = newIdentity(key); err != nil {
		t.Fatal(err)
	}
	return p
}

// TestStrangersAtTheDataPortAreCut, those that say nothing when the time for the handshake
// is over, those with a key of their own when they have not become members.
func TestStrangersAtTheDataPortAreCut(t *testing.T) {
	for name, c := range map[string]struct {
		secured func(*Peer, net.Conn) net.Conn
		after   time.Duration
	}{
		"saying nothing": {func(_ *Peer, c net.Conn) net.Conn { return c }, handshakeTime},
		"with a key of its own": {func(p *Peer, c net.Conn) net.Conn {
			cfg, _ := p.data.configFor("") // as good as any other identity
			return tls.Client(c, cfg)
		}, admitGrace},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := withDataPort(t)
				here, there := net.Pipe()
				p.run(func() { p.welcome(here) })
				began := time.Now()
				n, err := io.Copy(io.Discard, c.secured(p, there))
				if took := time.Since(began); n > 0 || took != c.after {
					t.Errorf("got %d bytes, %v, after %s", n, err, took)
				}
				p.own.Wait()
				select {
				case <-p.data.accepted:
					t.Error("a stranger came in")
				default:
				}
			})
		})
	}
}

// TestAHandlerThatNeverEnds holds up Close for a time only, one that ends until then.
func TestAHandlerThatNeverEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s streams
		s.enter()
		s.enter()
		ctx, end := context.WithTimeout(t.Context(), time.Hour)
		defer end()
		context.AfterFunc(ctx, s.running.Done)
		time.AfterFunc(time.Second, s.running.Done)
		began := time.Now()
		if err := s.wait(closeTimeout); err == nil || time.Since(began) != closeTimeout {
			t.Errorf("it waited %s: %v", time.Since(began), err)
		}
		end()
		if err := s.wait(closeTimeout); err != nil || time.Since(began) != closeTimeout {
			t.Errorf("it waited %s: %v", time.Since(began), err)
		}
	})
}
