package attacker

import (
	"context"
	"crypto/rand"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
)

const pause = 250 * time.Millisecond // after something was refused

// again does something until ctx ends, in so many goroutines, and counts.
func again(ctx context.Context, atOnce int, t *Tally, do func(context.Context) error) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for range atOnce {
		wg.Go(func() {
			for ctx.Err() == nil {
				t.tried.Add(1)
				if err := do(ctx); err != nil && ctx.Err() == nil {
					t.refused.Add(1)
					rest(ctx, pause)
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
