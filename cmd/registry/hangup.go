package main

import (
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
)

// hangups are the SIGHUPs of a registry that reads files again when it gets one. Any other is ended by
// it, as by the end of its terminal: then they are nil.
type hangups chan os.Signal

// catchHangups takes the SIGHUPs of a registry whose configuration names files with lists of peers. It
// comes before the storage is opened, which may take long: one that comes meanwhile is not lost.
func catchHangups(p driver.Parameters) hangups {
	if p.Offline || p.TrustedPeersFile == "" && p.AllowedPeersFile == "" {
		return nil
	}
	h := make(hangups, 1)
	signal.Notify(h, syscall.SIGHUP)
	return h
}

// call calls f after each. The returned function ends that, and waits.
func (h hangups) call(f func()) (end func()) {
	if h == nil {
		return func() {}
	}
	ended := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-h:
				f()
			case <-ended:
				return
			}
		}
	})
	return func() {
		close(ended)
		wg.Wait()
	}
}
