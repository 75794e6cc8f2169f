package schedule

import (
	"fmt"
	"slices"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/bitset"
)

// TestAChoiceIsMadeFromFew shows that a choice considers few holders, however many there are: among
// a thousand it allocates no more than among fifty.
func TestAChoiceIsMadeFromFew(t *testing.T) {
	const leaves = 64
	made := func(holders int) float64 {
		p, r := NewPlan(leaves, NewOrder("self", leaves), usualTiming), NewRoster(usualTiming, dice())
		for i := range leaves {
			p.Seen(i)
		}
		for i := range holders {
			var some *Part
			if i%2 == 0 {
				some = &Part{Leaves: bitset.Full(leaves / 2)}
			}
			r.Add(peer.ID(fmt.Sprint("holder ", i)), some)
		}
		absent := bitset.Full(leaves)
		choose := func() {
			run := p.Next(Now{Time: epoch, Absent: slices.Clone(absent), Begun: true}, r, false)
			p.Release(run)
			r.Done(epoch, run.Holder, Delivered)
		}
		return testing.AllocsPerRun(10, choose)
	}
	require.InDelta(t, made(50), made(1000), 5)
}
