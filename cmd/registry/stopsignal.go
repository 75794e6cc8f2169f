package main

import (
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/sirupsen/logrus"
)

// onStopSignal calls f at the first SIGTERM or interrupt, while distribution lets requests
// end. It then raises the signal again: one that came before distribution listened for
// signals would have been lost, and ends the process this time. The returned function stops
// listening, and waits.
func onStopSignal(f func()) (end func()) {
	signals, ended := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	var wg sync.WaitGroup
	wg.Go(func() {
		select {
		case sig := <-signals:
			f()
			signal.Stop(signals)
			raise(sig)
		case <-ended:
			signal.Stop(signals)
		}
	})
	return func() {
		close(ended)
		wg.Wait()
	}
}

func raise(sig os.Signal) {
	self, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = self.Signal(sig)
	}
	if err != nil {
		logrus.WithError(err).Debug("the signal could not be raised again")
	}
}
