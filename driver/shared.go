package driver

import (
	"context"
	"fmt"
	"sync"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/admin"
)

// maxAsked is how many images are asked about at the same time.
const maxAsked = 8

// shared are answers that take work of all members. Who asks while the same is being found out for
// others waits for that, so that many who ask cost no more than one; it is not kept afterwards. It
// is safe for concurrent use.
type shared[A any] struct {
	most int // different ones at the same time

	mu  sync.Mutex
	now map[string]*finding[A]
}

// finding is an answer in the making.
type finding[A any] struct {
	there   chan struct{} // closed when it is
	end     context.CancelFunc
	waiting int // who wait for it
	value   A
	err     error
}

func newShared[A any](most int) *shared[A] {
	return &shared[A]{most: most, now: map[string]*finding[A]{}}
}

// ask has find answer a question, or waits for the answer that it is already finding. find's context
// ends when nobody waits any more. The error is that of find, of ctx, or says that too much is asked
// at the same time.
func (s *shared[A]) ask(ctx context.Context, question string, find func(context.Context) (A, error)) (none A, err error) {
	f, err := s.join(ctx, question, find)
	if err != nil {
		return none, err
	}
	select {
	case <-f.there:
		return f.value, f.err
	case <-ctx.Done():
		s.leave(question, f)
		return none, ctx.Err()
	}
}

func (s *shared[A]) join(ctx context.Context, question string, find func(context.Context) (A, error)) (*finding[A], error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.now[question]
	if f == nil {
		if len(s.now) >= s.most {
			return nil, admin.Conflict(fmt.Errorf("%d such questions are being answered already: ask again", s.most))
		}
		own, end := context.WithCancel(context.WithoutCancel(ctx))
		f = &finding[A]{there: make(chan struct{}), end: end}
		s.now[question] = f
		go func() {
			f.value, f.err = find(own)
			end()
			s.over(question, f)
			close(f.there)
		}()
	}
	f.waiting++
	return f, nil
}

// leave is for one who no longer waits. The last one to leave ends the work, and waits until it has ended.
func (s *shared[A]) leave(question string, f *finding[A]) {
	s.mu.Lock()
	f.waiting--
	last := f.waiting == 0
	if last && s.now[question] == f {
		delete(s.now, question) // who asks from now on is not given what is cut off
	}
	s.mu.Unlock()
	if last {
		f.end()
		<-f.there
	}
}

func (s *shared[A]) over(question string, f *finding[A]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now[question] == f {
		delete(s.now, question)
	}
}
