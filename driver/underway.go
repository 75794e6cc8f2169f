package driver

import (
	"context"
	"slices"
	"sync"
)

// underway is what is remembered of one request while it runs, because the driver is called
// many times in each request.
type underway struct {
	hear  sync.Once // before a delete
	heard error

	mu      sync.Mutex
	relied  []string        // paths that the answer lets a client rely on, not renewed yet
	written map[string]bool // paths that the request wrote
}

func (u *underway) add(path string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !slices.Contains(u.relied, path) {
		u.relied = append(u.relied, path)
	}
}

// take returns what was relied on since the last call.
func (u *underway) take() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	paths := u.relied
	u.relied = nil
	return paths
}

func (u *underway) wrote(path string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.written[path]
}

func (u *underway) note(path string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.written == nil {
		u.written = map[string]bool{}
	}
	u.written[path] = true
}

// requests are those under way.
type requests struct {
	mu sync.Mutex
	of map[requestKey]*underway
}

// underway returns what is remembered of ctx's request. Outside a request, or in one whose
// end would not be noticed, nothing is remembered between two calls.
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
