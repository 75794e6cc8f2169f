package driver_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/distribution-ipfs/distribution-ipfs/driver"
	"github.com/distribution-ipfs/distribution-ipfs/driver/drivertest"
)

// TestManyWhoAskCostNoMoreThanOne: they are given one answer, which the first one to ask may leave to
// the others; when all have left, the work ends before the last has.
func TestManyWhoAskCostNoMoreThanOne(t *testing.T) {
	t.Parallel()
	var found, ended atomic.Int32
	begun, say := make(chan struct{}, 10), make(chan struct{})
	find := func(ctx context.Context) (int32, error) {
		n := found.Add(1)
		begun <- struct{}{}
		select {
		case <-say:
			return n, nil
		case <-ctx.Done():
			ended.Add(1)
			return 0, ctx.Err()
		}
	}
	s := driver.NewShared[int32](1)
	first, leave := context.WithCancel(t.Context())
	left := make(chan error)
	go func() { _, err := s.Ask(first, "q", find); left <- err }()
	<-begun
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if n, err := s.Ask(t.Context(), "q", find); n != 1 || err != nil {
				t.Errorf("%d, %v", n, err)
			}
		})
	}
	drivertest.Await(t, "all wait", func() bool { return s.Waiting("q") == 21 })
	_, err := s.Ask(t.Context(), "another", find)
	if err == nil {
		t.Error("a second question is answered at the same time")
	}
	leave()
	if err := <-left; !errors.Is(err, context.Canceled) || ended.Load() != 0 {
		t.Errorf("who asked first and left: %v, ended %d", err, ended.Load())
	}
	close(say)
	all.Wait()
	say = make(chan struct{})
	later, leave := context.WithCancel(t.Context())
	go func() { _, err := s.Ask(later, "q", find); left <- err }()
	<-begun
	leave()
	if err := <-left; !errors.Is(err, context.Canceled) || ended.Load() != 1 {
		t.Errorf("when nobody waits: %v, ended %d", err, ended.Load())
	}
	if n := found.Load(); n != 2 {
		t.Errorf("%d answers were found", n)
	}
}
