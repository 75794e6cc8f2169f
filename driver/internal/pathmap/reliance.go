package pathmap

import (
	"context"
	"sync"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/lease"
)

// settleWait is how long an answer to a hearing waits for reliances under way. The member that
// asked waits stallLimit for it, and asks again later.
const settleWait = stallLimit / 2

// reliances are those under way.
type reliances struct {
	mu    sync.Mutex
	all   lease.Reliances
	ended chan struct{} // closed when one ends; nil: nobody waits
}

// Rely begins a reliance: a request is going to look up entries, or to ask Wrote, and then to
// write what relies on them, or to answer that they are there. It is to be ended, by the
// function returned, when that is on disk or given up, and not later: a garbage collection
// waits for it. A Write that was left because its context ended is neither.
func (m *Map) Rely() (end func()) {
	r := &m.reliances
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.all.Begin()
	return sync.OnceFunc(func() { r.end(n) })
}

func (r *reliances) end(n uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all.End(n)
	if r.ended != nil {
		close(r.ended)
		r.ended = nil
	}
}

// settle waits until all reliances have ended that began before the call; false when ctx ends
// first.
func (r *reliances) settle(ctx context.Context) bool {
	r.mu.Lock()
	upTo := r.all.Begun()
	for !r.all.Settled(upTo) {
		if r.ended == nil {
			r.ended = make(chan struct{})
		}
		ended := r.ended
		r.mu.Unlock()
		select {
		case <-ended:
		case <-ctx.Done():
			return false
		}
		r.mu.Lock()
	}
	r.mu.Unlock()
	return true
}

// Lapse does for this registry itself what Hear asks of a member: no reliance that begins from
// now on counts on a version up to counter, and those under way have ended when it returns
// without an error.
func (m *Map) Lapse(ctx context.Context, counter uint64) error {
	m.own.lapse(min(counter, m.greatest())) // what it writes from now on is beyond that
	ctx, cancel := context.WithTimeout(ctx, settleWait)
	defer cancel()
	if !m.reliances.settle(ctx) {
		return ErrBusy
	}
	return nil
}

// lapsed does it for a member, that has to ask again when it is false.
func (m *Map) lapsed(counter uint64) bool { return m.Lapse(m.ctx, counter) == nil }
