package pathmap

import (
	"fmt"
	"testing"

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
