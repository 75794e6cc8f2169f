package engine_test

import (
	"testing"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/engine"
)

// TestConnectedMembersHaveLongerToAnswer: a registry is alone `alonetimeout` after the last
// answer, the start or a pause, whichever was last; a member that is connected and owes an answer
// may only be slow.
func TestConnectedMembersHaveLongerToAnswer(t *testing.T) {
	start := time.Now()
	at := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }
	for _, c := range []struct {
		what            string
		answered, awake time.Time
		expected        bool
		alone           time.Time
	}{
		{"an answer after the start", at(5), at(0), false, at(15)},
		{"a pause after the answer", at(5), at(20), false, at(30)},
		{"a connected member", at(5), at(0), true, at(65)},
		{"a connected member, and a pause", at(5), at(20), true, at(80)},
	} {
		if got := engine.AloneAt(c.answered, c.awake, 10*time.Second, c.expected); !got.Equal(c.alone) {
			t.Errorf("%s: alone after %v, not %v", c.what, got.Sub(start), c.alone.Sub(start))
		}
	}
}
