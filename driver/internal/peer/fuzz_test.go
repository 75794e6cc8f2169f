package peer

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"slices"
	"testing"

	bitswap "github.com/ipfs/boxo/bitswap/message/pb"
	"github.com/ipfs/go-cid"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-varint"
	"google.golang.org/protobuf/proto"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/limit"
)

// FuzzHello: a hello that is taken has bounded lists, and comes back when it is sent on.
func FuzzHello(f *testing.F) {
	self := []string{"/ip4/192.0.2.1/tcp/4619"}
	members := []helloMember{{ID: "12D3KooWA", Addrs: self, Caps: []string{"x"}}, {ID: "b"}}
	for _, h := range []hello{
		{Trust: "*", Self: self},
		{Trust: "a", Self: self, Data: self, Name: "n", Caps: []string{"c"}, Beat: json.RawMessage(`{"format":1}`), Want: true},
	} {
		var b bytes.Buffer
		_ = writeHello(&b, h, slices.Values(members))
		f.Add(b.Bytes())
	}
	f.Add([]byte(`{"version":1,"later":[[{"x":[]}]],"members":null,"self":null}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, named, err := helloOf(b)
		if err != nil {
			return
		}
		if max(len(h.Self), len(h.Data), len(h.Caps)) > maxTexts || len(named) > maxGreetMembers {
			t.Errorf("%d, %d, %d, %d", len(h.Self), len(h.Data), len(h.Caps), len(named))
		}
		if parsed := parseAddrs(h.Self); len(parsed) > maxAddrs {
			t.Errorf("%d addresses", len(parsed))
		}
		_, _ = readHeartbeat(h.Beat)
		var sent bytes.Buffer
		if err := writeHello(&sent, h, slices.Values(named)); err != nil {
			t.Fatal(err)
		}
		again, _, err := helloOf(sent.Bytes())
		if err != nil || again.Trust != h.Trust || !slices.Equal(again.Self, h.Self) || !slices.Equal(again.Caps, h.Caps) {
			t.Errorf("%+v became %+v: %v", h, again, err)
		}
	})
}

func helloOf(b []byte) (h hello, named []helloMember, err error) {
	h, err = readHello(bytes.NewReader(b), helloWithNames, func(m helloMember) { named = append(named, m) })
	return h, named, err
}

// FuzzHeartbeat: a heartbeat that is taken is taken again as it was received, which is how it is
// remembered and passed on.
func FuzzHeartbeat(f *testing.F) {
	f.Add([]byte(`{"format":1,"run":5,"seq":2,"name":"a","caps":["x"],"zone":"z","capacity":9,"free":-1,"later":[1]}`))
	f.Add([]byte(`{"format":1,"capacity":null}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := readHeartbeat(b)
		if err != nil {
			return
		}
		again, err := readHeartbeat(m.raw)
		if err != nil || !again.sameFacts(m) || again.after(m) || m.after(again) || m.Free < 0 || *m.Capacity < 0 {
			t.Errorf("%+v became %+v: %v", m, again, err)
		}
	})
}

// FuzzRPC: what of pubsub is let through has no more parts than are taken, as pubsub decodes it,
// and is what was sent.
func FuzzRPC(f *testing.F) {
	yes, topic, id := true, "t", "i"
	for _, rpc := range []*pb.RPC{
		{Subscriptions: []*pb.RPC_SubOpts{{Subscribe: &yes, Topicid: &topic}}},
		{Publish: []*pb.Message{{From: []byte("a"), Data: []byte("b"), Topic: &topic}}},
		{Control: &pb.ControlMessage{Ihave: []*pb.ControlIHave{{TopicID: &topic, MessageIDs: []string{id, id}}}}},
	} {
		b, _ := rpc.Marshal()
		f.Add(append(varint.ToUvarint(uint64(len(b))), b...))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s := &guardedStream{r: bufio.NewReader(bytes.NewReader(b)), refused: func() {}}
		got, _ := io.ReadAll(s)
		if !bytes.HasPrefix(b, got) && len(got) > len(b) {
			t.Errorf("%x came out of %x", got, b)
		}
		size, n, err := varint.FromUvarint(got)
		if err != nil || uint64(len(got)-n) < size {
			return
		}
		var rpc pb.RPC
		if rpc.Unmarshal(got[n:n+int(size)]) != nil {
			return
		}
		parts := len(rpc.Publish) + len(rpc.Subscriptions)
		for _, have := range rpc.GetControl().GetIhave() {
			parts += 1 + len(have.MessageIDs)
		}
		for _, want := range rpc.GetControl().GetIwant() {
			parts += 1 + len(want.MessageIDs)
		}
		if parts > maxParts {
			t.Errorf("%d parts", parts)
		}
	})
}

// FuzzRemembered: a record of a member, whoever wrote it, is replaced by one that can be read, or
// left alone.
func FuzzRemembered(f *testing.F) {
	f.Add([]byte(`{"version":1,"addrs":["/ip4/192.0.2.1/tcp/1"],"seen":"2026-01-02T03:04:05Z","later":{"x":1}}`), "/ip4/192.0.2.1/tcp/4619")
	f.Add([]byte(`{"version":99}`), "")
	f.Fuzz(func(t *testing.T, old []byte, addr string) {
		b, err := updated(old, remembered{Version: rememberVersion, Addrs: []string{addr}})
		if err != nil {
			return
		}
		var m remembered
		if err := json.Unmarshal(b, &m); err != nil || m.Version != rememberVersion || len(m.Addrs) != 1 {
			t.Errorf("%s: %v", b, err)
		}
		_ = parseAddrs(m.Addrs)
		_, _ = peer.Decode(addr)
	})
}

// newSieve is a sieve of what one peer sends, where those blocks are here whose CIDs have an even
// number of bytes. denied gets the CIDs of those that it is told are not.
func newSieve(sent []byte, denied *[][]byte) *sieve {
	b := limit.NewBudget(limit.Machine{Memory: 1 << 30, Descriptors: 512}, nil)
	return &sieve{
		Stream: bytesStream{Reader: bytes.NewReader(nil)}, in: bufio.NewReader(bytes.NewReader(sent)),
		from:  func() limit.Source { return limit.Source{} },
		large: b.Bound(limit.BitswapMessages), wants: b.Rate(limit.Wants),
		holds: func(c []byte) bool { return len(c)%2 == 0 },
		deny:  func(cids [][]byte) { *denied = append(*denied, cids...) },
	}
}

// FuzzBitswap: of a message of bitswap all is passed on but wants of what is not here and those that
// are too many, each of which is denied if the peer wants to know, or dropped.
func FuzzBitswap(f *testing.F) {
	yes, no := cid.NewCidV1(cid.Raw, []byte{0x12, 2, 'a', 'b'}).Bytes(), cid.NewCidV1(cid.Raw, []byte{0x12, 1, 'a'}).Bytes()
	for _, m := range []*bitswap.Message{
		{Wantlist: &bitswap.Message_Wantlist{Full: true, Entries: []*bitswap.Message_Wantlist_Entry{
			{Block: yes, Priority: 1}, {Block: no, SendDontHave: true}, {Block: no}, {Block: no, Cancel: true}, {Block: make([]byte, maxWanted+1)},
		}}},
		{Payload: []*bitswap.Message_Block{{Prefix: []byte{1, 0x55, 0x12, 32}, Data: []byte("x")}}, PendingBytes: 3},
		{Blocks: [][]byte{[]byte("x")}, BlockPresences: []*bitswap.Message_BlockPresence{{Cid: yes, Type: bitswap.Message_DontHave}}},
	} {
		b, _ := proto.Marshal(m)
		f.Add(b)
	}
	f.Add(append([]byte{0x0a}, framed(bytes.Repeat([]byte("\x0a\x00"), maxWants+1))...))
	f.Fuzz(func(t *testing.T, msg []byte) {
		var denied [][]byte
		passed, err := newSieve(nil, &denied).pass(msg)
		var sent, got bitswap.Message
		if proto.Unmarshal(msg, &sent) != nil || err != nil {
			if passed != nil || len(denied) > 0 {
				t.Errorf("%x is passed on of what cannot be read", passed)
			}
			return
		}
		if len(passed) > 0 {
			size, n, err := varint.FromUvarint(passed)
			if err != nil || size != uint64(len(passed)-n) || proto.Unmarshal(passed[n:], &got) != nil {
				t.Fatalf("%x is no message: %v", passed, err)
			}
		}
		var want []*bitswap.Message_Wantlist_Entry
		of, wantDenied := sent.GetWantlist().GetEntries(), 0
		for _, e := range of[:min(len(of), maxWants)] {
			switch known := len(e.Block)%2 == 0; {
			case len(e.Block) > maxWanted:
			case e.Cancel, known:
				want = append(want, e)
			case e.SendDontHave:
				wantDenied++
			}
		}
		if sent.Wantlist != nil {
			sent.Wantlist.Entries = want
		}
		nothing := len(want)+len(sent.Payload)+len(sent.Blocks)+len(sent.BlockPresences) == 0
		if len(denied) != wantDenied || !proto.Equal(&sent, &got) && (len(of) == 0 || !nothing) {
			t.Errorf("%v became %v, and %d are denied", &sent, &got, len(denied))
		}
	})
}
