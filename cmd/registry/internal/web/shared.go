package web

import (
	"context"
	"sync"
	"time"
)

// shared is an answer that takes work, and is found out once for all who ask for it until it is old:
// so many browsers cost no more than one.
type shared[T any] struct {
	page *Page
	keep time.Duration // until an answer is old, from when it was there
	ask  func(context.Context) (T, error)

	mu  sync.Mutex
	now *answer[T] // nil: nobody asks
}

// answer is one, or one in the making.
type answer[T any] struct {
	there chan struct{} // closed when it is
	value T
	err   error
}

// share makes a shared answer. ask ends with its context.
func share[T any](p *Page, keep time.Duration, ask func(context.Context) (T, error)) *shared[T] {
	return &shared[T]{page: p, keep: keep, ask: ask}
}

// get waits for the answer. The error is that of the answer, of ctx, or of the page, which ends.
func (s *shared[T]) get(ctx context.Context) (v T, err error) {
	a := s.current()
	select {
	case <-a.there:
		return a.value, a.err
	case <-ctx.Done():
		return v, ctx.Err()
	}
}

// current is the answer that is there or in the making. It belongs to the page: who asked for it first
// may leave.
func (s *shared[T]) current() *answer[T] {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now != nil {
		return s.now
	}
	a := &answer[T]{there: make(chan struct{})}
	s.now = a
	s.page.work.Go(func() {
		a.value, a.err = s.ask(s.page.ctx)
		close(a.there)
		s.grow(a.err)
	})
	return a
}

// grow lets the answer grow old. An error does at once.
func (s *shared[T]) grow(err error) {
	if err == nil {
		old := time.NewTimer(s.keep)
		defer old.Stop()
		select {
		case <-old.C:
		case <-s.page.ctx.Done():
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = nil
}
