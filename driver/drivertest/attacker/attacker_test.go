package attacker_test

import (
	"bytes"
	"encoding/json"
	"net"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/attacker"
)

const topic = "ipfs-registry"

// attack gives a peer that holds a registry's key, and the registry as its target.
func attack(t *testing.T, m *drivertest.Member, topic string) (*attacker.Peer, attacker.Target) {
	t.Helper()
	target, err := attacker.TargetAt(m.Addresses()...)
	if err != nil {
		t.Fatal(err)
	}
	p, err := attacker.New(attacker.Config{Key: m.Params.ProtectorKey, Topic: topic, From: "127.0.7.1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p, target
}

// TestAMemberIsAsked: the registry takes it for a member, and asks it for blobs, over a stream
// or at its data port.
func TestAMemberIsAsked(t *testing.T) {
	members := drivertest.Cluster(t, 2)
	p, target := attack(t, members[1], topic)
	tally, err := p.Holders(attacker.Mute)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Join(t.Context(), target); err != nil {
		t.Fatal(err)
	}
	drivertest.Await(t, "it is a member", func() bool {
		_, err := p.Meet(t.Context(), target)
		return err == nil
	})
	content := bytes.Repeat([]byte("x"), 1000)
	hex := digest.FromBytes(content).Encoded()
	path := "/docker/registry/v2/blobs/sha256/" + hex[:2] + "/" + hex + "/data"
	if err := members[0].PutContent(t.Context(), path, content); err != nil {
		t.Fatal(err)
	}
	drivertest.Await(t, "it is asked for a blob", func() bool {
		_, _ = members[1].GetContent(t.Context(), path)
		return tally.Tried() > 0
	})
}

func TestSlotsAreHeld(t *testing.T) {
	m := drivertest.Cluster(t, 1)[0]
	p, target := attack(t, m, topic)
	if err := p.Join(t.Context(), target); err != nil {
		t.Fatal(err)
	}
	tally := p.Start(attacker.Slots(target, 2))
	drivertest.Await(t, "an exchange is held", func() bool { return tally.Now() > 0 })
}

// TestWhoIsNoMemberIsRefused, and counted so.
func TestWhoIsNoMemberIsRefused(t *testing.T) {
	m := drivertest.Cluster(t, 1)[0]
	p, target := attack(t, m, "another topic")
	if err := p.Join(t.Context(), target); err != nil {
		t.Fatal(err)
	}
	tally := p.Start(attacker.Slots(target, 1))
	drivertest.Await(t, "an exchange is refused", func() bool { return tally.Refused() > 0 })
	if tally.Did() != 0 {
		t.Errorf("%s", tally)
	}
}

func TestGreetings(t *testing.T) {
	m := drivertest.Cluster(t, 1)[0]
	p, target := attack(t, m, topic)
	if err := p.Join(t.Context(), target); err != nil {
		t.Fatal(err)
	}
	named, err := attacker.Naming(2, "/ip4/127.0.8.1/tcp/1")
	if err != nil {
		t.Fatal(err)
	}
	drivertest.Await(t, "a greeting is answered", func() bool {
		h, err := p.Greet(t.Context(), target, named)
		return err == nil && len(h.Self) > 0
	})
	if bomb := attacker.Bomb(1000); !json.Valid(bomb) {
		t.Error("a bomb is no JSON")
	}
}

// TestSockets are held until they are closed, and then opened again.
func TestSockets(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	p, err := attacker.New(attacker.Config{From: "127.0.7.2"})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	tally := p.Start(attacker.HalfHeaders(l.Addr().String(), 2))
	for n := range 4 {
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if from := c.RemoteAddr().(*net.TCPAddr).IP.String(); from != "127.0.7.2" {
			t.Errorf("from %s", from)
		}
		if n < 2 {
			_ = c.Close()
		} else {
			defer func() { _ = c.Close() }()
		}
	}
	drivertest.Await(t, "two are held", func() bool { return tally.Now() == 2 && tally.Refused() >= 2 })
}
