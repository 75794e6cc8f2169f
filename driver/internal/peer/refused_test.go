package peer_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"

	pubsub_pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/multiformats/go-varint"
	"google.golang.org/protobuf/proto"

	bad "github.com/distribution-ipfs/distribution-ipfs/driver/drivertest/attacker"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/limit"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/peer"
)

// TestWhatIsTooLargeIsCounted, by the rank of who sends it.
func TestWhatIsTooLargeIsCounted(t *testing.T) {
	t.Parallel()
	v := newStation(t)
	v.start(t, nil)
	for name, c := range map[string]struct {
		what limit.What
		send func(*attacker)
	}{
		"an RPC of many parts": {limit.RPCs, func(a *attacker) {
			rpc := &pubsub_pb.RPC{}
			for range 10_000 {
				rpc.Subscriptions = append(rpc.Subscriptions, &pubsub_pb.RPC_SubOpts{Subscribe: proto.Bool(true), Topicid: proto.String("x")})
			}
			a.send(rpc)
		}},
		"a large RPC": {limit.RPCs, func(a *attacker) {
			if _, err := a.pubsub.Write(varint.ToUvarint(peer.MaxMessage + 1)); err != nil {
				t.Error(err)
			}
		}},
		"a long hello": {limit.Greetings, func(a *attacker) {
			s := a.open(helloProtocol)
			_, _ = s.Write(append([]byte(`{"version":1,"later":[0`), bytes.Repeat([]byte(",0"), 1<<20)...))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			a, before := newAttacker(t, v), refusals(v, c.what, limit.Trusted)
			c.send(a)
			eventually(t, "it is counted", func() bool { return refusals(v, c.what, limit.Trusted) > before })
		})
	}
}

// TestDialsThatAreRefusedAreCounted: those of addresses that a member names, when too many of
// them were in vain.
func TestDialsThatAreRefusedAreCounted(t *testing.T) {
	t.Parallel()
	a := newStation(t)
	a.start(t, nil)
	b, err := bad.Naming(200)
	if err != nil {
		t.Fatal(err)
	}
	var says bad.Hello
	if err := json.Unmarshal(b, &says); err != nil {
		t.Fatal(err)
	}
	for i := range says.Members {
		says.Members[i].Addrs = []string{fmt.Sprintf("/ip4/127.0.8.%d/tcp/1", i+1)}
	}
	newLiar(t, a, "127.0.0.1", says)
	eventually(t, "some are refused", func() bool { return refusals(a, limit.Dials, limit.Member) > 0 })
}
