package peer

import (
	"testing"
	"testing/synctest"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
)

// TestMessagesOfOneMemberAreBounded, in number and in bytes, and not those of another. Later
// there may be more.
func TestMessagesOfOneMemberAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoster("self")
		if known, _ := r.mayTell("stranger", 1); known {
			t.Error("a stranger tells something")
		}
		r.subscribed("member", true, true)
		r.subscribed("other", true, true)
		flood := func(size int) (n int) {
			for {
				if known, often := r.mayTell("member", size); !known || often {
					return n
				}
				n++
			}
		}
		for _, size := range []int{200, maxNews} {
			if n := flood(size); n != maxNewsAtOnce/(1+size/newsUnit) {
				t.Errorf("%d messages of %d bytes at once", n, size)
			}
			if _, often := r.mayTell("other", maxNews); often {
				t.Error("another is bounded as well")
			}
			time.Sleep(maxNewsAtOnce * time.Second / newsPerSecond)
		}
		time.Sleep(time.Second)
		if n := flood(1); n != maxNewsAtOnce {
			t.Errorf("%d later", n)
		}
		time.Sleep(time.Second)
		if n := flood(1); n != newsPerSecond {
			t.Errorf("%d a second", n)
		}
	})
}

// TestNobodyIsConnectedToOnAPrune: pubsub would dial whom a member names when it leaves a mesh.
func TestNobodyIsConnectedToOnAPrune(t *testing.T) {
	p, _ := newLoner(t)
	rpc := &pubsub.RPC{RPC: pb.RPC{Control: &pb.ControlMessage{Prune: []*pb.ControlPrune{{Peers: []*pb.PeerInfo{{PeerID: []byte("x")}}}}}}}
	if err := p.inspect("member", rpc); err != nil || len(rpc.Control.Prune[0].Peers) > 0 {
		t.Errorf("%v, %v", rpc.Control, err)
	}
}

// TestHellosOfOneMemberAreBounded.
func TestHellosOfOneMemberAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoster("self")
		if r.mayGreet("stranger") {
			t.Error("a stranger says hello")
		}
		r.subscribed("member", true, true)
		n := 0
		for r.mayGreet("member") {
			n++
		}
		time.Sleep(helloGap)
		if n != maxHellos || !r.mayGreet("member") || r.mayGreet("member") {
			t.Errorf("%d hellos at once", n)
		}
	})
}
