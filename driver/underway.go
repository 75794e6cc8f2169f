package driver

import (
	"context"
	"net/http"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/ocipath"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/pathmap"
)

// underway is what is remembered of one request while it runs, because the driver is called
// many times in each request.
type underway struct {
	hear  sync.Once // before a delete
	heard error

	mu     sync.Mutex
	relied []reliance // what the answer lets a client rely on, not renewed yet
	held   []change   // that are written with the last one of the request
	lost   bool       // some that were held are given up
	over   bool       // nothing can be held: the request has ended, or its end would not be noticed
	looked lookedAt   // what an index that is pushed needs, as far as it was looked at

	reliance func() // ends it, when the request has ended and nothing is being written; nil: there is none
	writing  int
}

// reliance is an entry on which an answer lets a client rely, as the request saw it.
type reliance struct {
	path  string
	entry pathmap.Entry
}

func (u *underway) add(r reliance) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !slices.ContainsFunc(u.relied, func(o reliance) bool { return o.path == r.path }) {
		u.relied = append(u.relied, r)
	}
}

// look reports whether this is the first look at a digest.
func (u *underway) look(d digest.Digest) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.looked.add(d)
}

// link is a link of one of those kinds to that digest that was relied on; false when there is
// none.
func (u *underway) link(d digest.Digest, kinds ...ocipath.Kind) (link string, ok bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, r := range u.relied {
		if !slices.Contains(kinds, ocipath.Parse(r.path).Kind) {
			continue
		}
		if target, _ := dag.InlineBytes(r.entry.CID); string(target) == string(d) {
			return r.path, true
		}
	}
	return "", false
}

// take returns what was relied on since the last call.
func (u *underway) take() []reliance {
	u.mu.Lock()
	defer u.mu.Unlock()
	all := u.relied
	u.relied = nil
	return all
}

// hold keeps a change for the request's last one; false when the request is over.
func (u *underway) hold(c change) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.over {
		u.held = append(u.held, c)
	}
	return !u.over
}

// release returns what was held, followed by c; false when the request is over.
func (u *underway) release(c change) (all []change, ok bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	held := u.held
	u.held = nil
	return append(held, c), !u.over
}

// giveUp ends the changes that were held and cannot be written.
func (u *underway) giveUp() {
	u.mu.Lock()
	held := u.held
	u.held = nil
	u.lost = u.lost || len(held) > 0
	u.mu.Unlock()
	for _, c := range held {
		c.giveUp(false)
	}
}

// unwritten reports whether changes are held, or given up.
func (u *underway) unwritten() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.held) > 0 || u.lost
}

// end gives up what the request did not get to write.
func (u *underway) end() {
	u.mu.Lock()
	u.over = true
	u.mu.Unlock()
	u.giveUp()
	u.write()()
}

// write begins to write something that relies on what the request saw. When that is written,
// which may be after the client has hung up, the function returned is called.
func (u *underway) write() (written func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.writing++
	return func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.writing--
		if u.over && u.writing == 0 && u.reliance != nil {
			u.reliance()
		}
	}
}

// requests are those under way.
type requests struct {
	rely func() (end func()) // begins a reliance

	mu sync.Mutex
	of map[requestKey]*underway
}

// underway returns what is remembered of ctx's request. Outside a request, in one whose end
// would not be noticed, and in one that has ended, nothing is remembered between two calls.
func (q *requests) underway(ctx context.Context) *underway {
	key, r := requestKeyOf(ctx), requestOf(ctx)
	ctx = lifetime(ctx)
	if key == (requestKey{}) || ctx.Done() == nil {
		return &underway{over: true}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if ctx.Err() != nil { // what it held was given up, which beginning anew would forget
		return &underway{over: true}
	}
	if u, ok := q.of[key]; ok {
		return u
	}
	if q.of == nil {
		q.of = map[requestKey]*underway{}
	}
	u := &underway{}
	if r.mayRely() || r.deletes() { // whoever drains this registry waits for deletes, too
		u.reliance = q.rely()
	}
	q.of[key] = u
	context.AfterFunc(ctx, func() {
		q.mu.Lock()
		delete(q.of, key)
		q.mu.Unlock()
		u.end()
	})
	return u
}

// lifetime is the context that ends with ctx's request, if that is a push. ctx itself might
// end earlier, and then a part of the push would be given up and the rest written.
func lifetime(ctx context.Context) context.Context {
	if r, ok := ctx.Value("http.request").(*http.Request); ok && r.Method == http.MethodPut {
		return r.Context()
	}
	return ctx
}
