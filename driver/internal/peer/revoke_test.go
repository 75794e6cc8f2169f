package peer_test

import (
	"testing"

	libpeer "github.com/libp2p/go-libp2p/core/peer"
)

// TestWhoIsRevokedIsRefusedAtTheDataPort by itself, however it got there, and learns that others hang up on it.
func TestWhoIsRevokedIsRefusedAtTheDataPort(t *testing.T) {
	t.Parallel()
	a, b := newStation(t), newStation(t)
	const data = "/ip4/127.0.0.1/tcp/0"
	a.start(t, withData(data))
	echoes(t, a)
	answersEcho(a)
	b.start(t, both(withData(data), via(a.info(t, stripped(t, a)...))))
	meet(t, a, b)
	ended := holds(t, b, a)
	at := b.DataTargets(a.id(t))
	if err := b.DialDataAt(t.Context(), a.id(t), at...); err != nil {
		t.Error(err)
	}
	if n := b.HangingUp(); n != 0 {
		t.Errorf("%d hang up", n)
	}

	a.Revoke([]libpeer.ID{b.id(t)})
	eventually(t, "its connections end", ended)
	if err := b.DialDataAt(t.Context(), a.id(t), at...); err == nil {
		t.Error("the data port takes it")
	}
	eventually(t, "it learns that it is hung up on", func() bool { return b.HangingUp() == 1 })
}
