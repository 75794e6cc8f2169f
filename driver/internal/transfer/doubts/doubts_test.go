package doubts

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/stretchr/testify/require"
)

// TestDoubtsOfOneMemberAreFew shows that a member's doubts are taken in a burst, and then one every
// few seconds, and that other members are still heard.
func TestDoubtsOfOneMemberAreFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newQueue()
		doubts := func(from peer.ID) (taken int) {
			for d.take(from, suspect{cid.NewCidV1(cid.Raw, []byte{0, 0}), taken}) {
				d.done(<-d.waiting)
				taken++
			}
			return taken
		}
		require.Equal(t, Burst, doubts("liar"))
		for range 5 {
			time.Sleep(every - time.Second)
			require.Zero(t, doubts("liar"))
			time.Sleep(time.Second)
			require.Equal(t, 1, doubts("liar"))
		}
		require.Equal(t, Burst, doubts("other"))
		time.Sleep(time.Hour)
		require.Equal(t, Burst, doubts("liar"))
	})
}
