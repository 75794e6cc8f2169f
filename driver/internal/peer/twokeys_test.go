package peer_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/pnet"
	"github.com/multiformats/go-multiaddr"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer"
)

var oldKey, nextKey = pnet.PSK(bytes.Repeat([]byte{7}, 32)), pnet.PSK(bytes.Repeat([]byte{8}, 32))

// during is a registry that knows both keys, by addresses of a kind.
func during(kind string, b ...*station) func(*testing.T) func(*peer.Config) {
	return having(kind, oldKey, nextKey, b...)
}

func having(kind string, key, next pnet.PSK, b ...*station) func(*testing.T) func(*peer.Config) {
	return func(t *testing.T) func(*peer.Config) {
		return func(c *peer.Config) {
			c.PSK, c.NextPSK = key, next
			c.Listen = []multiaddr.Multiaddr{multiaddr.StringCast("/ip4/127.0.0.1/tcp/0" + kind)}
			c.DataListen = []multiaddr.Multiaddr{loopback(0)}
			for _, s := range b {
				c.Bootstrappers = append(c.Bootstrappers, s.info(t, stripped(t, s)...))
			}
		}
	}
}

// TestRegistriesOfTwoKeys: one that knows both keys is a member with those that know either, whoever dials, and
// their data ports let each other in. Those that know one each never meet.
func TestRegistriesOfTwoKeys(t *testing.T) {
	for _, kind := range []string{"", "/ws"} {
		t.Run("tcp"+kind, func(t *testing.T) {
			older, both, newer, dialed := newStation(t), newStation(t), newStation(t), newStation(t)
			older.start(t, having(kind, oldKey, nil)(t))
			newer.start(t, having(kind, nextKey, nil)(t))
			both.start(t, during(kind, older, newer)(t)) // it dials
			dialed.start(t, having(kind, oldKey, nil, both)(t))
			for _, s := range []*station{older, both, newer, dialed} {
				saysX(t, s)
			}
			for _, s := range []*station{older, newer, dialed} {
				meet(t, both, s)
				requireData(t, both, s)
				requireData(t, s, both)
			}
			if older.IsMember(newer.id(t)) || newer.IsMember(older.id(t)) || newer.IsMember(dialed.id(t)) {
				t.Error("two that have no key in common are members")
			}
		})
	}
}

// saysX has a station say so to all that come to its data port.
func saysX(t *testing.T, s *station) {
	t.Helper()
	l := s.ListenData()
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, "x")
			_ = c.Close()
		}
	}()
}

// requireData has one station dial the data port of another.
func requireData(t *testing.T, from, to *station) {
	t.Helper()
	eventually(t, "its data port is known", func() bool { return from.HasData(to.id(t)) })
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	c, err := from.DialData(ctx, to.id(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if b, err := io.ReadAll(c); err != nil || string(b) != "x" {
		t.Errorf("%q %v", b, err)
	}
}

// TestAThirdKeyIsRefused while two are known, with the words for a wrong key.
func TestAThirdKeyIsRefused(t *testing.T) {
	both, third := newStation(t), newStation(t)
	both.start(t, during("")(t))
	third.start(t, having("", bytes.Repeat([]byte{9}, 32), nil, both)(t))
	eventually(t, "a warning", func() bool {
		return strings.Contains(strings.Join(third.warnings(), "\n"), "not with this protector key")
	})
	again := newStation(t)
	again.start(t, having("", oldKey, nextKey, third)(t))
	eventually(t, "a warning of the one that has two", func() bool {
		return strings.Contains(strings.Join(again.warnings(), "\n"), "not with this protector key")
	})
	if len(both.Members())+len(third.Members())+len(again.Members()) != 0 {
		t.Error("they are members")
	}
}

// TestSilenceIsBoundedDuringAChange: who says nothing is let go as with one key.
func TestSilenceIsBoundedDuringAChange(t *testing.T) {
	s := newStation(t)
	s.start(t, during("")(t))
	c := dialTCP(t, stripped(t, s)[0])
	if err := c.SetDeadline(time.Now().Add(within)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
}

// TestKeysThatAreNoPair are refused.
func TestKeysThatAreNoPair(t *testing.T) {
	for name, keys := range map[string][2]pnet.PSK{"one key twice": {oldKey, oldKey}, "no present one": {nil, nextKey}, "a short one": {oldKey, nextKey[:31]}} {
		if err := newStation(t).make(t, having("", keys[0], keys[1])(t)); err == nil || !strings.Contains(err.Error(), "next protector key") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
