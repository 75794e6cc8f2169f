package engine_test

import (
	"testing"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/engine"
)

// TestAPauseIsNoTimeToAnswer: a process that was stopped begins anew when it goes on, whoever
// asks first; one that only was slow does not.
func TestAPauseIsNoTimeToAnswer(t *testing.T) {
	begun := time.Unix(1e9, 0)
	a := engine.NewAwake(begun, 10*time.Second)
	for _, c := range []struct{ at, since time.Duration }{
		{0, 0}, {2 * time.Second, 0}, {7 * time.Second, 0},
		{13 * time.Second, 13 * time.Second}, {15 * time.Second, 13 * time.Second}, {20 * time.Second, 13 * time.Second},
		{time.Hour, time.Hour},
	} {
		if got := a.At(begun.Add(c.at)); !got.Equal(begun.Add(c.since)) {
			t.Errorf("at %s: it has run since %s, not %s", c.at, got.Sub(begun), c.since)
		}
	}
	quick := engine.NewAwake(begun, time.Millisecond)
	if got := quick.At(begun.Add(time.Second)); !got.Equal(begun) {
		t.Errorf("a second is no pause, but it has run since %s", got.Sub(begun))
	}
}
