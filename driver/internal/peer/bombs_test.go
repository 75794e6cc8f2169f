package peer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
	"github.com/multiformats/go-varint"
)

// bytesStream is a stream of which only Read is used.
type bytesStream struct {
	network.Stream
	io.Reader
}

func (s bytesStream) Read(b []byte) (int, error) { return s.Reader.Read(b) }

// SetReadDeadline implements network.Stream.
func (bytesStream) SetReadDeadline(time.Time) error { return nil }

// siftAll reads what bitswap would.
func siftAll(b []byte) error {
	var denied [][]byte
	_, err := io.Copy(io.Discard, newSieve(b, &denied))
	return err
}

func framed(b []byte) []byte { return append(varint.ToUvarint(uint64(len(b))), b...) }

// readRPC reads what pubsub would, and decodes it as pubsub does.
func readRPC(b []byte) (err error) {
	guarded(func(s network.Stream) {
		var rpc []byte
		if rpc, err = io.ReadAll(s); len(rpc) > 0 {
			_, n, _ := varint.FromUvarint(rpc)
			err = errors.Join(err, new(pb.RPC).Unmarshal(rpc[n:]))
		}
	}, func(network.Stream) {})(bytesStream{Reader: bytes.NewReader(b)})
	return err
}

// TestBombs: what a peer sends takes memory by what is kept of it, and not by what it would be
// when it is decoded whole. All that a peer of the swarm can have this package decode is here,
// with who can send it, and the most memory that it may take on the way, in KiB.
func TestBombs(t *testing.T) {
	const mib = 1 << 20
	fill := func(begin, each string, size int) []byte {
		return append([]byte(begin), bytes.Repeat([]byte(each), size/len(each))...)
	}
	question := func(b []byte) error { _, err := readHello(bytes.NewReader(b), helloAlone, nil); return err }
	names := 0
	answer := func(b []byte) error {
		_, err := readHello(bytes.NewReader(b), helloWithNames, func(m helloMember) {
			names += len(m.Addrs)
			parseAddrs(m.Addrs)
		})
		return err
	}
	bitswap := func(b []byte) error { return siftAll(framed(b)) }
	beat := func(b []byte) error { _, err := readHeartbeat(b); return err }
	for _, c := range []struct {
		what, who string
		bomb      []byte
		feed      func([]byte) error
		most      uint64
	}{
		{"a hello that names members", "a member", fill(`{"version":1,"members":[`, "{},", 4*mib), question, 256},
		{"a hello of nested lists", "a member", fill(`{"version":1,"x":`, "[", 4*mib), question, 64},
		{"a hello with empty addresses", "a member", fill(`{"version":1,"self":[`, `"",`, 4*mib), question, 512},
		{"a hello with capabilities", "a member", fill(`{"version":1,"caps":[`, `"a",`, 4*mib), question, 512},
		{"a hello with one text", "a member", fill(`{"version":1,"name":"`, "a", 4*mib), question, 256},
		{"a hello with a heartbeat of objects", "a member", fill(`{"version":1,"beat":[`, "{},", 4*mib), question, 256},
		{"an answer that names members", "a member that was asked", fill(`{"version":1,"members":[`, "{},", 4*mib), answer, 2048},
		{"an answer with members' addresses", "a member that was asked", fill(`{"version":1,"members":[{"addrs":[`, `"",`, 4*mib), answer, 16 << 10},
		{"an answer with a long address", "a member that was asked", fill(`{"version":1,"members":[{"addrs":["/p2p/`, `Q`, 4*mib), answer, 16 << 10},
		{"an answer with a long name", "a member that was asked", fill(`{"version":1,"members":[{"id":"`, `Q`, 4*mib), answer, 16 << 10},
		{"a heartbeat", "a member", fill(`{"format":1,"capacity":0,"caps":[`, `"",`, 4*mib), beat, 4},
		{"a heartbeat as long as they may be", "a member", fill(`{"format":1,"capacity":0,"caps":[`, `"",`, maxHeartbeat-64), beat, 512},
		{"an RPC of subscriptions", "a connected peer", framed(fill("", "\x0a\x00", MaxMessage)), readRPC, 1024},
		{"an RPC of messages", "a connected peer", framed(fill("", "\x12\x00", MaxMessage)), readRPC, 1024},
		{"an RPC of names of messages", "a connected peer", framed(nested(0x1a, 0x0a, fill("", "\x12\x00", MaxMessage-16))), readRPC, 1024},
		{"an RPC of wanted messages", "a connected peer", framed(nested(0x1a, 0x12, fill("", "\x0a\x00", MaxMessage-16))), readRPC, 1024},
		{"an RPC of lists of names", "a connected peer", framed(nested(0x1a, 0x0a, fill("", "\x0a\x00", MaxMessage-16))), readRPC, 1024},
		{"an RPC of peers", "a connected peer", framed(nested(0x1a, 0x22, fill("", "\x12\x00", MaxMessage-16))), readRPC, 1024},
		{"an RPC of unwanted messages", "a connected peer", framed(nested(0x1a, 0x2a, fill("", "\x0a\x00", MaxMessage-16))), readRPC, 1024},
		{"a bitswap message of wants", "a connected peer", append([]byte{0x0a}, framed(fill("", "\x0a\x00", 2*mib))...), bitswap, 12 << 10},
		{"a bitswap message of blocks", "a connected peer", fill("", "\x12\x00", 2*mib), bitswap, 12 << 10},
		{"a bitswap message of blocks with prefixes", "a connected peer", fill("", "\x1a\x00", 2*mib), bitswap, 12 << 10},
		{"a bitswap message of presences", "a connected peer", fill("", "\x22\x00", 2*mib), bitswap, 12 << 10},
		{"a bitswap message that is said to be long", "a connected peer", varint.ToUvarint(4 * mib), siftAll, 64},
		{"a bitswap message that is too long", "a connected peer", varint.ToUvarint(1 << 60), siftAll, 64},
		{"an RPC that is said to be long", "a connected peer", varint.ToUvarint(MaxMessage), readRPC, 64},
		{"an RPC that is too long", "a connected peer", varint.ToUvarint(1 << 60), readRPC, 64},
	} {
		t.Run(c.what, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			err := c.feed(c.bomb)
			runtime.ReadMemStats(&after)
			if took := (after.TotalAlloc - before.TotalAlloc) >> 10; took > c.most {
				t.Errorf("%d bytes of %s took %d KiB, more than %d: %v", len(c.bomb), c.who, took, c.most, err)
			}
			if err == nil && !strings.HasPrefix(c.what, "an answer") {
				t.Error("it was taken")
			}
		})
	}
	if names > 0 {
		t.Errorf("%d addresses were taken", names)
	}
}

// nested is a message in a message of a message.
func nested(outer, inner byte, b []byte) []byte {
	b = append([]byte{inner}, framed(b)...)
	return append([]byte{outer}, framed(b)...)
}

// TestAThousandMembersInOneHello are learned. Of more than are taken some are named, and those of
// an earlier release, which names all, are taken as far as they go.
func TestAThousandMembersInOneHello(t *testing.T) {
	for _, n := range []int{0, 1, 1000, maxGreetMembers, 4 * maxGreetMembers} {
		var sent []helloMember
		for i := range n {
			sent = append(sent, helloMember{
				ID: fmt.Sprintf("12D3KooWLbSuDjLYrYWyZYVEFRHhZaZjhnvmTPEUoHUsGpoG%04d", i), Caps: []string{"hash-blake3"},
				Addrs: []string{fmt.Sprintf("/ip4/10.0.%d.%d/tcp/4619", i>>8, i&255), "/dns4/registry.example/tcp/4619"},
			})
		}
		var b bytes.Buffer
		self := hello{Trust: trustsAll, Self: []string{"/ip4/10.0.0.1/tcp/4619"}, Name: "a", Beat: []byte(`{"format":1}`), Want: true}
		if err := writeHello(&b, self, slices.Values(sent)); err != nil {
			t.Fatal(err)
		}
		var got []helloMember
		g, err := readHello(&b, helloWithNames, func(m helloMember) { got = append(got, m) })
		if err != nil || g.Name != "a" || !g.Want || string(g.Beat) != `{"format":1}` || !slices.Equal(g.Self, self.Self) {
			t.Errorf("a hello that names %d was read as %+v: %v", n, g, err)
		}
		if want := sent[:min(n, maxGreetMembers)]; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("of %d members %d were taken", n, len(got))
		}
	}
}

// TestHellosOfOthers: unknown fields of whatever kind are passed over, and what is malformed is
// not taken.
func TestHellosOfOthers(t *testing.T) {
	for text, ok := range map[string]bool{
		`{"version":1}`: true,
		`{"version":2,"later":{"a":[1,{"b":null}],"c":"d"},"self":null,"members":null,"name":"n"}`:  true,
		`{"version":1,"self":["/ip4/10.0.0.1/tcp/1"],"members":[{"id":"x","addrs":null,"new":[]}]}`: true,
		"{\"version\":1}\n":               true,
		`{"version":1}{}`:                 false,
		`{"version":0}`:                   false,
		`{}`:                              false,
		``:                                false,
		`[]`:                              false,
		`null`:                            false,
		`{"version":1`:                    false,
		`{"version":1,"self":"a"}`:        false,
		`{"version":1,"self":[1]}`:        false,
		`{"version":1,"members":["x"]}`:   false,
		`{"version":1,"members":{"a":1}}`: false,
		`{"version":"1"}`:                 false,
	} {
		if _, err := readHello(strings.NewReader(text), helloWithNames, func(helloMember) {}); (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestManyNamesAreTakenInTheirTime: a name that is one too many costs no more than others. The
// roster once counted all that it had for each.
func TestManyNamesAreTakenInTheirTime(t *testing.T) {
	r := newRoster("self")
	at := []multiaddr.Multiaddr{multiaddr.StringCast("/ip4/127.0.0.1/tcp/1")}
	for i := range 64 * maxCandidates {
		r.heard(near, peerNumber(i), at, nil, nil)
	}
	if len(r.records) != maxCandidates || r.named.all != maxCandidates {
		t.Fatalf("%d are known, %d named", len(r.records), r.named.all)
	}
	r.subscribed(peerNumber(1), true, true)
	r.keep(addrInfo(peerNumber(2)), true)
	r.keep(addrInfo(peerNumber(2)), true)
	r.recall(peerNumber(3), remembered{}, moment{}, r.started)
	if r.named.all != maxCandidates-3 {
		t.Errorf("%d are only named, of whom three are more", r.named.all)
	}
	r.heard(near, peerNumber(maxCandidates), at, nil, nil)
	if len(r.records) != maxCandidates+1 {
		t.Error("there is no room in place of those that are members")
	}
}

func peerNumber(i int) peer.ID { return peer.ID(fmt.Sprintf("peer-%d", i)) }

func addrInfo(id peer.ID) peer.AddrInfo { return peer.AddrInfo{ID: id} }
