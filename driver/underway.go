package driver

import (
	"context"
	"sync"
)

// underway is what is remembered of one request while it runs: the driver is called
// many times in each.
type underway struct {
	hear  sync.Once // before a delete
	heard error
}

// requests are those under way.
type requests struct {
	mu sync.Mutex
	of map[requestKey]*underway
}

// underway is what is remembered of ctx's request. What runs in no request, or in one
// that nobody would forget again, remembers nothing between two calls.
func (q *requests) underway(ctx context.Context) *underway {
	key := requestOf(ctx).key
	if key == (requestKey{}) || ctx.Done() == nil {
		return &underway{}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if u, ok := q.of[key]; ok {
		return u
	}
	if q.of == nil {
		q.of = map[requestKey]*underway{}
	}
	u := &underway{}
	q.of[key] = u
	context.AfterFunc(ctx, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		delete(q.of, key)
	})
	return u
}
