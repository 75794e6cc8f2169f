package attacker

import (
	"context"
	"crypto/rand"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
)

// An attacker that is refused rests, twice as long each time: to be dialed as fast as a machine can
// is no fault that a registry could mend.
const pause, longest = 250 * time.Millisecond, 4 * time.Second

// again does something until ctx ends, in so many goroutines, and counts.
func again(ctx context.Context, atOnce int, t *Tally, do func(context.Context) error) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for range atOnce {
		wg.Go(func() {
			for wait := pause; ctx.Err() == nil; {
				t.tried.Add(1)
				began := time.Now()
				err := do(ctx)
				if err == nil || time.Since(began) > longest {
					wait = pause
				}
				if err != nil && ctx.Err() == nil {
					t.refused.Add(1)
					rest(ctx, wait)
					wait = min(2*wait, longest)
				} else if err == nil {
					t.did.Add(1)
				}
			}
		})
	}
}

// rest waits, or until ctx ends.
func rest(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// randomID is a peer ID that nobody has.
func randomID() (peer.ID, error) {
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		return "", err
	}
	return peer.IDFromPrivateKey(key)
}
