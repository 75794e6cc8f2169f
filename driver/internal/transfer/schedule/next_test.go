package schedule

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/bitset"
)

// TestIdleCountsSinceOthersFetch: the time for which another registry, which is first in line
// for a leaf, did not bring it does not begin before that registry fetches the blob. Until
// then this one is busy with all leaves, and none is left for which it is first.
func TestIdleCountsSinceOthersFetch(t *testing.T) {
	const leaves = 8
	p, r := NewPlan(leaves, NewOrder("self", leaves), usualTiming), NewRoster(usualTiming, dice())
	at := func(d time.Duration, absent ...int) *view {
		set := bitset.New(leaves)
		for _, leaf := range absent {
			set.Add(leaf)
		}
		return p.view(Now{Time: epoch.Add(d), Absent: set, Begun: true}, r)
	}
	require.Zero(t, at(0, 0, 1).idle)
	require.Zero(t, at(5*time.Second).idle, "all are on their way")

	r.Add("other", &Part{Leaves: bitset.Set{1}})
	theirs := 1
	for at(5*time.Second, theirs).rank(theirs) == 0 {
		theirs++
	}
	require.Zero(t, at(5*time.Second, theirs).idle)
	require.Equal(t, 2*time.Second, at(7*time.Second, theirs).idle)
}
