package driver

import (
	"slices"
	"testing"
)

// TestWhatWaitsForAMember: garbage, or the history, or both.
func TestWhatWaitsForAMember(t *testing.T) {
	garbage, history := []Unheard{{PeerID: "a", Reason: "away"}}, []Unheard{{PeerID: "a", Reason: "behind"}, {PeerID: "b", Reason: "behind"}}
	for _, c := range []struct {
		id, because string
		want        []string
	}{{"a", "away", []string{"garbage", "history"}}, {"b", "behind", []string{"history"}}, {"c", "", nil}} {
		m := KnownMember{PeerID: c.id}
		m.holdsUp("garbage", garbage)
		m.holdsUp("history", history)
		if !slices.Equal(m.HoldsUp, c.want) || m.WaitsBecause != c.because {
			t.Errorf("%s: %q, %q", c.id, m.HoldsUp, m.WaitsBecause)
		}
	}
}
