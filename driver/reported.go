package driver

import (
	"sync"
	"time"
)

// reported tells about once a second how far something is while it is done.
func reported[P any](at func() P, tell func(P), do func() error) error {
	ended := make(chan struct{})
	var reports sync.WaitGroup
	reports.Go(func() {
		tick := time.NewTicker(verifyPause)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				tell(at())
			case <-ended:
				return
			}
		}
	})
	err := do()
	close(ended)
	reports.Wait()
	return err
}
