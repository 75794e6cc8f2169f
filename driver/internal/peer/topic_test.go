package peer

import "testing"

// TestGossipDoesNotGrow shows that as many are told in a large swarm as in a small one which messages
// there were.
func TestGossipDoesNotGrow(t *testing.T) {
	params := gossipParams()
	for _, others := range []int{20, 200, 10_000} {
		if told := max(params.Dlazy, int(params.GossipFactor*float64(others))); told > 6 {
			t.Errorf("of %d others a member tells %d", others, told)
		}
	}
}
