package pathmap

import (
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// TestForHowLongAMemberCountsThatDoesNotAnswer: for a minute from the first question that it does
// not answer; when it answers, as at first. One that never did does not count.
func TestForHowLongAMemberCountsThatDoesNotAnswer(t *testing.T) {
	var u unanswered
	began := time.Now()
	missed := func(after time.Duration, want bool) {
		t.Helper()
		if got := u.missed("a", false, began.Add(after)); got != want {
			t.Errorf("%v after %s", got, after)
		}
	}
	missed(0, false)
	u.heard("a", began)
	missed(time.Hour, true)
	missed(time.Hour+behindFor-1, true)
	missed(time.Hour+behindFor, false)
	u.heard("a", began)
	missed(2*time.Hour, true)
	u.only([]peer.ID{"a"})
	missed(2*time.Hour, true)
	u.only(nil)
	missed(2*time.Hour, false)
	for after, want := range []bool{true, false} {
		if got := u.missed("b", true, began.Add(time.Duration(after)*behindFor)); got != want || !u.knowsAny() {
			t.Errorf("a registry: %v after %d minutes", got, after)
		}
	}
}

// TestWhoAnsweredAMomentAgo is there, and only for that moment.
func TestWhoAnsweredAMomentAgo(t *testing.T) {
	var u unanswered
	began := time.Now()
	u.heard("a", began)
	for after, want := range map[time.Duration]bool{0: true, lateAfter - 1: true, lateAfter: false} {
		if u.lately("a", began.Add(after)) != want {
			t.Errorf("after %s: %v", after, !want)
		}
	}
	if u.missed("a", false, began); !u.lately("a", began) {
		t.Error("a question that is not answered makes forget when the one before was")
	}
	if u.lately("b", began) {
		t.Error("one that never answered")
	}
}
