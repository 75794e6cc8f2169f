package signal_test

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/signal"
)

// TestAllWhoWaitAreWoken shows that each is woken once, even by a change between its look at the
// condition and its wait.
func TestAllWhoWaitAreWoken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := signal.New()
		woken := make(chan int, 3)
		for i := range 2 {
			changed := s.Wait()
			go func() { <-changed; woken <- i }()
		}
		before := s.Wait()
		s.Raise()
		<-before
		synctest.Wait()
		require.Len(t, woken, 2)
		after := s.Wait()
		select {
		case <-after:
			require.Fail(t, "woken without a change")
		default:
		}
		s.Raise()
		<-after
	})
}
