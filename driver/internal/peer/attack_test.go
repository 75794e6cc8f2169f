package peer_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	libpeer "github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/multiformats/go-varint"
	"github.com/sirupsen/logrus"
	"google.golang.org/protobuf/proto"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/limit"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer"
)

const helloProtocol = "/distribution-ipfs/members/1.0.0"

// attacker is a peer that has the protector key and is on the topic. It speaks pubsub by itself.
type attacker struct {
	host.Host
	t      *testing.T
	key    crypto.PrivKey
	victim libpeer.ID
	pubsub network.Stream
	seqno  uint64
}

func newAttacker(t *testing.T, victim *station) *attacker {
	t.Helper()
	return newAttackerAs(t, newKey(t), victim, func(host.Host) {})
}

// newAttackerAs is newAttacker with a key, and a function that is called before it connects.
func newAttackerAs(t *testing.T, key crypto.PrivKey, victim *station, before func(host.Host)) *attacker {
	t.Helper()
	a := &attacker{t: t, key: key, victim: victim.id(t)}
	var err error
	a.Host, err = libp2p.New(libp2p.Identity(a.key), libp2p.PrivateNetwork(bytes.Repeat([]byte{7}, 32)),
		libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"), libp2p.DisableMetrics(),
		libp2p.ResourceManager(&network.NullResourceManager{}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	a.SetStreamHandler(pubsub.GossipSubID_v11, func(s network.Stream) { _, _ = io.Copy(io.Discard, s) })
	before(a.Host)
	if err := a.Connect(t.Context(), libpeer.AddrInfo{ID: a.victim, Addrs: stripped(t, victim)}); err != nil {
		t.Fatal(err)
	}
	a.pubsub = a.open(pubsub.GossipSubID_v11)
	a.send(&pubsub_pb.RPC{Subscriptions: []*pubsub_pb.RPC_SubOpts{{Subscribe: proto.Bool(true), Topicid: proto.String(testTopic)}}})
	eventually(t, "it is a member", func() bool { return victim.IsMember(a.ID()) })
	return a
}

func newKey(t *testing.T) crypto.PrivKey {
	t.Helper()
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (a *attacker) open(proto protocol.ID) network.Stream {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.t.Context(), within)
	defer cancel()
	s, err := a.NewStream(ctx, a.victim, proto)
	if err != nil {
		a.t.Fatal(err)
	}
	return s
}

// send sends an RPC.
func (a *attacker) send(rpc *pubsub_pb.RPC) {
	a.t.Helper()
	b, err := rpc.Marshal()
	if err == nil {
		_, err = a.pubsub.Write(append(varint.ToUvarint(uint64(len(b))), b...))
	}
	if err != nil {
		a.t.Fatal(err)
	}
}

// message is one by whoever has the key.
func (a *attacker) message(key crypto.PrivKey, data []byte, seqno ...byte) *pubsub_pb.Message {
	a.t.Helper()
	return a.messageOn(testTopic, key, data, seqno...)
}

func (a *attacker) messageOn(topic string, key crypto.PrivKey, data []byte, seqno ...byte) *pubsub_pb.Message {
	a.t.Helper()
	id, err := libpeer.IDFromPrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	if a.seqno++; len(seqno) == 0 {
		seqno = binary.BigEndian.AppendUint64(nil, a.seqno)
	}
	m := &pubsub_pb.Message{From: []byte(id), Data: data, Seqno: seqno, Topic: &topic}
	b, err := m.Marshal()
	if err == nil {
		m.Signature, err = key.Sign(append([]byte(pubsub.SignPrefix), b...))
	}
	if err != nil {
		a.t.Fatal(err)
	}
	return m
}

// done waits until the victim has taken all that was sent.
func (a *attacker) done(victim *station) {
	a.t.Helper()
	text := fmt.Sprintf("done %d", a.seqno)
	eventually(a.t, "a message by the member itself is heard", func() bool {
		a.send(&pubsub_pb.RPC{Publish: []*pubsub_pb.Message{a.message(a.key, []byte(text))}})
		return victim.got(text)
	})
}

// TestRandomTopicsAreNotKept: others' subscriptions to topics that are not the registries' own.
func TestRandomTopicsAreNotKept(t *testing.T) {
	v := newStation(t)
	v.start(t, nil)
	a := newAttacker(t, v)
	before := heap()
	for i := range 64 {
		rpc := &pubsub_pb.RPC{}
		for j := range 256 {
			topic := fmt.Sprintf("%d-%d-%s", i, j, strings.Repeat("x", 600))
			rpc.Subscriptions = append(rpc.Subscriptions, &pubsub_pb.RPC_SubOpts{Subscribe: proto.Bool(true), Topicid: &topic})
		}
		a.send(rpc)
	}
	a.done(v)
	if kept := (heap() - before) >> 20; kept > 6 { // 10 MiB of names alone were sent
		t.Errorf("%d MiB are kept", kept)
	}
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what has a finalizer goes at the second time
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestMadeUpAuthors are not heard, whatever they have signed, and what is over its bounds is
// heard of nobody.
func TestMadeUpAuthors(t *testing.T) {
	v := newStation(t)
	v.start(t, nil)
	a := newAttacker(t, v)
	for range 50 {
		a.send(&pubsub_pb.RPC{Publish: []*pubsub_pb.Message{
			a.message(newKey(t), []byte("made up")),
			a.message(a.key, []byte("long number"), make([]byte, 1<<10)...),
			a.message(a.key, append(make([]byte, 128<<10), " long text"...)),
		}})
	}
	a.done(v)
	for _, text := range []string{"made up", "long number", "long text"} {
		if v.got(text) {
			t.Errorf("heard: %s", text)
		}
	}
}

// TestFloodsOfHellos: large ones are not read, and while they come a newcomer learns of the
// other members.
func TestFloodsOfHellos(t *testing.T) {
	v, other := newStation(t), newStation(t)
	v.start(t, nil)
	other.start(t, via(v.info(t, stripped(t, v)...)))
	meet(t, v, other)
	a := newAttacker(t, v)
	ended := make(chan int, 16)
	for range cap(ended) {
		s := a.open(helloProtocol)
		go func() {
			_ = s.SetDeadline(time.Now().Add(within))
			sent, _ := s.Write([]byte(`{"version":1,"members":[`))
			part := bytes.Repeat([]byte("{},"), 1<<10)
			for sent < 4<<20 {
				n, err := s.Write(part)
				if sent += n; err != nil {
					break
				}
			}
			ended <- sent
		}()
	}
	newcomer := newStation(t)
	newcomer.start(t, via(v.info(t, stripped(t, v)...)))
	meet(t, v, other, newcomer)
	for range cap(ended) {
		if sent := <-ended; sent >= 4<<20 {
			t.Errorf("a hello of %d bytes was read", sent)
		}
	}
	if !slices.ContainsFunc(v.Budget().Refused(), func(r limit.Refusals) bool { return r.What == limit.Greetings && r.Count > 0 }) {
		t.Error("no hello that was one too many is counted")
	}
}

// TestHeartbeatsComeFromTheirAuthors: those that another member sends, again and again, are not
// heard, and so do not keep the author's own from being heard.
func TestHeartbeatsComeFromTheirAuthors(t *testing.T) {
	v := newStation(t)
	v.start(t, nil)
	author, a := newAttacker(t, v), newAttacker(t, v)
	free := func() int64 {
		for _, m := range v.Members() {
			if m.ID == author.ID() && m.Heartbeat != nil {
				return m.Heartbeat.Free
			}
		}
		return 0
	}
	beat := func(seq, free int) []byte {
		return fmt.Appendf(nil, `{"format":1,"run":1,"seq":%d,"capacity":0,"free":%d}`, seq, free)
	}
	for i := range 100 {
		a.send(&pubsub_pb.RPC{Publish: []*pubsub_pb.Message{a.messageOn(testTopic+"/heartbeats", author.key, beat(i, 1))}})
	}
	a.done(v)
	if n := free(); n != 0 {
		t.Errorf("a heartbeat that another member sent is heard: %d bytes free", n)
	}
	author.seqno = 1000
	author.send(&pubsub_pb.RPC{Publish: []*pubsub_pb.Message{author.messageOn(testTopic+"/heartbeats", author.key, beat(200, 2))}})
	eventually(t, "its author's own is heard", func() bool { return free() == 2 })
}

// TestStreamsTakeNoMemoryOfTrustedMembers: however many streams untrusted members open and leave
// alone, those of a trusted one have the windows that are reserved for its rank.
func TestStreamsTakeNoMemoryOfTrustedMembers(t *testing.T) {
	v, b := newStation(t), newStation(t)
	logger := logrus.New()
	logger.SetOutput(io.Discard)
	budget := limit.NewBudget(limit.Machine{Memory: 1 << 30, Descriptors: 1 << 16}, logrus.NewEntry(logger))
	v.start(t, func(c *peer.Config) { c.Trusted, c.Budget = []libpeer.ID{v.id(t), b.id(t)}, budget })
	b.start(t, via(v.info(t, stripped(t, v)...)))
	meet(t, v, b)
	for range 5 {
		a := newAttacker(t, v)
		for range 512 { // of a protocol that it does not say
			s, err := a.Network().NewStream(t.Context(), v.id(t))
			if err == nil {
				defer func() { _ = s.Reset() }()
			}
		}
	}
	windows := budget.Bound(limit.Windows)
	eventually(t, "what is too much is refused", func() bool {
		return slices.ContainsFunc(budget.Refused(), func(r limit.Refusals) bool { return r.What == limit.Windows && r.Rank == limit.Member })
	})
	if n := windows.Len(); n > 1024 { // half of what there is
		t.Errorf("%d windows are taken", n)
	}
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	for range 64 {
		if !b.Alive(ctx, v.id(t)) {
			t.Fatal("a trusted member has no stream")
		}
	}
}

// TestNoDHTInAPrivateNetwork: nobody can have a record kept, or a lookup made.
func TestNoDHTInAPrivateNetwork(t *testing.T) {
	v := newStation(t)
	v.start(t, nil)
	a := newAttacker(t, v)
	spoken, err := a.Peerstore().GetProtocols(a.victim)
	if err != nil || len(spoken) == 0 {
		t.Fatal(spoken, err)
	}
	for _, p := range spoken {
		if strings.Contains(string(p), "kad") {
			t.Errorf("it speaks %s", p)
		}
	}
	if s, err := a.NewStream(t.Context(), a.victim, "/ipfs/kad/1.0.0", "/ipfs/lan/kad/1.0.0"); err == nil {
		t.Errorf("it answers %s", s.Protocol())
	}
}
