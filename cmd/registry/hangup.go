package main

import (
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/sirupsen/logrus"
)

// hangups are the SIGHUPs of a registry that serves: it goes on, whatever it has to read again. So
// `systemctl reload` ends none, nor does logrotate, nor the end of a terminal.
type hangups chan os.Signal

// catchHangups takes them from now on. It comes before anything is opened, which may take long: one
// that comes meanwhile counts afterwards.
func catchHangups() hangups {
	h := make(hangups, 1)
	signal.Notify(h, syscall.SIGHUP)
	return h
}

// call calls f after each. The returned function ends that, and waits.
func (h hangups) call(f func()) (end func()) {
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

// readAgain reads what may change while the registry runs, the files with lists of peers, and says so:
// who sends the signal may have changed something else.
func (o opened) readAgain() {
	if o.Driver == nil || !o.FollowsPeerLists() {
		logrus.Info("SIGHUP: nothing is read again: no file with a list of peers is configured, and the configuration itself counts at a start")
		return
	}
	o.ReadPeerLists()
	logrus.Info("SIGHUP: the files with lists of peers were read again; the configuration itself counts at a start")
}
