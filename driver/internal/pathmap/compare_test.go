package pathmap

import (
	"fmt"
	"testing"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
)

// TestFourRoundsReachAThousand plays the rounds of a thousand members in step, which is the
// slowest way: no member learns anything from one that learned it in the same round.
func TestFourRoundsReachAThousand(t *testing.T) {
	const members, rounds = 1000, 4
	ids := make([]peer.ID, members)
	for i := range ids {
		ids[i] = peer.ID(fmt.Sprint(i))
	}
	var asks comparer
	knows := map[peer.ID]bool{ids[0]: true}
	for range rounds {
		var learned []peer.ID
		for i, id := range ids {
			others := append(append([]peer.ID{}, ids[:i]...), ids[i+1:]...)
			for _, asked := range asks.pick(others) {
				if knows[asked] {
					learned = append(learned, id)
				}
				asks.done(asked)
			}
		}
		for _, id := range learned {
			knows[id] = true
		}
		t.Logf("%d know", len(knows))
	}
	if len(knows) < members {
		t.Errorf("%d of %d members know after %d rounds", len(knows), members, rounds)
	}
}

// TestASilentMemberIsAskedOnceAtATime: a member that does not answer takes no other's place
// in the next rounds.
func TestASilentMemberIsAskedOnceAtATime(t *testing.T) {
	var ids []peer.ID
	for i := range askAtOnce + 1 {
		ids = append(ids, peer.ID(fmt.Sprint(i)))
	}
	var asks comparer
	mute := asks.pick(ids)
	if len(mute) != askAtOnce {
		t.Fatalf("%d are asked", len(mute))
	}
	left := asks.pick(ids)
	if len(left) != 1 || len(asks.pick(ids)) != 0 {
		t.Fatalf("%v are asked while %v do not answer", left, mute)
	}
	asks.done(mute[3])
	if again := asks.pick(ids); len(again) != 1 || again[0] != mute[3] {
		t.Errorf("%v are asked after %s answered", again, mute[3])
	}
}

// TestConnectionsThatAreKept: one to each member that is asked in every round, and none in a
// swarm that is larger than that.
func TestConnectionsThatAreKept(t *testing.T) {
	var ids []peer.ID
	for i := range askAtOnce + 1 {
		ids = append(ids, peer.ID(fmt.Sprint(i)))
	}
	var k kept
	put := func(id peer.ID) bool { return k.put(&exchange{id: id}) }
	if put(ids[0]) {
		t.Error("one is kept before it is known whose to keep")
	}
	k.only(ids[:askAtOnce])
	for i, id := range ids {
		if put(id) != (i < askAtOnce) || put(id) {
			t.Errorf("to %s, number %d", id, i+1)
		}
	}
	if k.take(ids[0]) == nil || k.take(ids[0]) != nil {
		t.Error("one is used by two")
	}
	if over := k.only(ids[2:]); len(over) != 1 || over[0].id != ids[1] {
		t.Errorf("%d are closed when one member has gone", len(over))
	}
	if over := k.only(ids); len(over) != askAtOnce-2 || put(ids[5]) {
		t.Errorf("%d are closed when the swarm grows", len(over))
	}
}

// TestRoundsWhileNothingChanges: they are further apart after a while, until something changes,
// and never in a swarm that is too large to ask everyone.
func TestRoundsWhileNothingChanges(t *testing.T) {
	var ids []peer.ID
	for i := range askAtOnce + 1 {
		ids = append(ids, peer.ID(fmt.Sprint(i)))
	}
	heads, others := new([]cid.Cid), new([]cid.Cid)
	var c calm
	untilCalm := func(heads *[]cid.Cid, ids []peer.ID) (n int) {
		for c.pause(heads, ids, false) == 1 && n < 100 {
			n++
		}
		return n
	}
	for _, s := range []struct {
		what  string
		heads *[]cid.Cid
		ids   []peer.ID
		want  int
	}{
		{"at first", heads, ids[:2], calmAfter},
		{"in another order", heads, []peer.ID{ids[1], ids[0]}, 0},
		{"a push", others, ids[:2], calmAfter},
		{"a member comes", others, ids[:3], calmAfter},
		{"one replaces another", others, ids[1:4], calmAfter},
		{"many come", others, ids, 100},
		{"all but a few go", others, ids[:2], calmAfter},
		{"they stay", others, ids[:2], 0},
	} {
		if n := untilCalm(s.heads, s.ids); n != s.want {
			t.Errorf("%s: %d rounds follow each other closely, want %d", s.what, n, s.want)
		}
	}
	if c.pause(others, ids[:2], true) != 1 || untilCalm(others, ids[:2]) != calmAfter-1 {
		t.Error("it is calm though this registry waits for what others say")
	}
}
