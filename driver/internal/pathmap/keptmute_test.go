package pathmap

import (
	"bufio"
	"context"
	"net"
	"testing"
	"testing/synctest"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// answeringSwarm is a swarm with one member, which answers each question for heads on connections
// that are dialed from now on.
type answeringSwarm struct {
	Swarm
	t *testing.T
}

func (s answeringSwarm) Dial(ctx context.Context, _ peer.ID, _ protocol.ID) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ours, theirs := net.Pipe()
	go func() {
		r := bufio.NewReader(theirs)
		for {
			var q request
			if readJSON(r, &q) != nil || writeJSON(theirs, answer{}) != nil {
				return
			}
		}
	}()
	s.t.Cleanup(func() { _ = theirs.Close() })
	return ours, nil
}

// TestAKeptConnectionThatHasGoneMute is given up while there is time to ask on another one: the
// member may have another address by now, and nothing tells that the old one is dead.
func TestAKeptConnectionThatHasGoneMute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &Map{cfg: Config{Swarm: answeringSwarm{t: t}}, firstHeads: newFirstHeads()}
		ctx, cancel := context.WithTimeout(t.Context(), stallLimit)
		defer cancel()
		old, gone := net.Pipe()
		go func() { _, _ = bufio.NewReader(gone).ReadString(0) }() // takes the question, says nothing
		defer func() { _ = gone.Close() }()
		x := &exchange{m: m, id: "b", conn: old, r: bufio.NewReader(old), stop: func() bool { return true }}
		m.kept.only([]peer.ID{"b"})
		if !m.kept.put(x) {
			t.Fatal("it is not kept")
		}
		fresh, _, err := m.askForHeads(ctx, "b")
		if err != nil {
			t.Fatal(err)
		}
		fresh.close()
		if fresh.conn == old {
			t.Error("it is asked on the old connection")
		}
	})
}
