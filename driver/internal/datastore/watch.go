package datastore

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/sirupsen/logrus"
)

// watch is badger's logger. badger reports failures of its own goroutines, such as a flush,
// only to its logger. It logs a failed batch of writes before it begins the next one, so a
// look here after a successful write shows whether a write before it failed.
type watch struct {
	log    *logrus.Entry
	failed atomic.Pointer[error]
	onFail func(error)
	over   atomic.Bool // badger did not open: its remaining errors do not matter
}

// Errorf takes what badger logs as an error: after any of these badger is opened again.
func (w *watch) Errorf(format string, args ...any) {
	err := errorOf(format, args)
	w.log.WithError(err).Debug("badger")
	if w.failed.CompareAndSwap(nil, &err) && !w.over.Load() {
		w.onFail(err)
	}
}

// err is the first failure; nil when there was none.
func (w *watch) err() error {
	if err := w.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// errorOf keeps the error among the arguments, which says whether the disk is full.
func errorOf(format string, args []any) error {
	for _, a := range args {
		if err, ok := a.(error); ok {
			return fmt.Errorf("badger: %w", err)
		}
	}
	return errors.New("badger: " + fmt.Sprintf(format, args...))
}

func (w *watch) Warningf(format string, args ...any) { w.log.Debugf("badger: "+format, args...) }
func (w *watch) Infof(format string, args ...any)    { w.log.Debugf("badger: "+format, args...) }
func (w *watch) Debugf(string, ...any)               {}
