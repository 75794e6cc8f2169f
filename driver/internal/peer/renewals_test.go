package peer

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// TestReconnectionsAreFew: only some of the peers that bitswap asks in vain are reconnected,
// and again only after a minute.
func TestReconnectionsAreFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r renewals
		for round := range 10 {
			for began := time.Now(); time.Since(began) <= renewEvery; time.Sleep(time.Second) {
				n := 0
				for i := range 4 * maxRenewed {
					if r.due(peer.ID(fmt.Sprint(i / 2))) {
						n++
					}
				}
				if first := time.Now().Equal(began); first && n != maxRenewed || !first && n > 0 {
					t.Errorf("%d connected to anew in round %d after %s", n, round, time.Since(began))
				}
			}
		}
	})
}
