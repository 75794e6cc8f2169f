package peer_test

import (
	"context"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	pubsub_pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	libpeer "github.com/libp2p/go-libp2p/core/peer"
	"github.com/sirupsen/logrus"
	"google.golang.org/protobuf/proto"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/limit"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer"
)

// TestAMemberThatComesAndGoes again and again, on one connection, is greeted once at a time, and soon
// not named in the log any more.
func TestAMemberThatComesAndGoes(t *testing.T) {
	v := newStation(t)
	v.start(t, nil)
	var hellos atomic.Int64 // none of which is answered, nor ended: each takes ten seconds
	a := newAttackerAs(t, newKey(t), v, func(h host.Host) {
		h.SetStreamHandler(helloProtocol, func(network.Stream) { hellos.Add(1) })
	})
	said := func() int {
		n := 0
		for _, line := range v.logged(logrus.InfoLevel) {
			if strings.HasPrefix(line, "registry connected") {
				n++
			}
		}
		return n
	}
	const times = 100
	for range times {
		for _, member := range []bool{false, true} {
			a.send(&pubsub_pb.RPC{Subscriptions: []*pubsub_pb.RPC_SubOpts{{Subscribe: proto.Bool(member), Topicid: proto.String(testTopic)}}})
			eventually(t, "it is noticed", func() bool { return v.IsMember(a.ID()) == member })
		}
	}
	a.done(v)
	eventually(t, "it is greeted", func() bool { return hellos.Load() > 0 })
	if n := hellos.Load(); n > times/4 {
		t.Errorf("it is greeted %d times", n)
	}
	if n := said(); n > times*3/4 {
		t.Errorf("%d lines of the log", n)
	}
}

// TestChosenMembersAreAskedForOthers, however many other members appear at the same time.
func TestChosenMembersAreAskedForOthers(t *testing.T) {
	v, key := newStation(t), newKey(t)
	chosen, err := libpeer.IDFromPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	v.start(t, func(c *peer.Config) { c.Trusted = []libpeer.ID{v.id(t), chosen} })
	for range 12 {
		newAttacker(t, v)
	}
	said := make(chan string, 1)
	newAttackerAs(t, key, v, func(h host.Host) {
		h.SetStreamHandler(helloProtocol, func(s network.Stream) {
			b, _ := io.ReadAll(s)
			_ = s.Reset()
			select {
			case said <- string(b):
			default:
			}
		})
	})
	select {
	case hello := <-said:
		if !strings.Contains(hello, `"want":true`) {
			t.Errorf("it is not asked: %s", hello)
		}
	case <-time.After(within):
		t.Error("it is not greeted")
	}
}

// TestListsOfMembersAreFew: where one address asks for too many, it is answered without.
func TestListsOfMembersAreFew(t *testing.T) {
	v, other := newStation(t), newStation(t)
	v.start(t, func(c *peer.Config) { c.Trusted = []libpeer.ID{v.id(t), other.id(t)} })
	other.start(t, via(v.info(t, stripped(t, v)...)))
	meet(t, v, other)
	a := newAttacker(t, v)
	names := func() bool {
		s := a.open(helloProtocol)
		defer func() { _ = s.Reset() }()
		if _, err := s.Write([]byte(`{"version":1,"want":true}`)); err != nil {
			t.Fatal(err)
		}
		_ = s.CloseWrite()
		answer, err := io.ReadAll(s)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(string(answer), `"members":[`)
	}
	if !names() {
		t.Error("it is told of nobody")
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go func() { // others at its address
		for from := v.Source(a.ID()); ctx.Err() == nil; {
			if !v.Budget().Rate(limit.Names).Allow(from, 1) {
				time.Sleep(time.Millisecond)
			}
		}
	}()
	eventually(t, "there is too much", func() bool {
		return slices.ContainsFunc(v.Budget().Refused(), func(r limit.Refusals) bool { return r.What == limit.Names })
	})
	told := 0
	for range 4 {
		if names() {
			told++
		}
	}
	if told == 4 {
		t.Error("it is told of all, again and again")
	}
}
