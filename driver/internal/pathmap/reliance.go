package pathmap

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/lease"
)

const (
	settleWait = stallLimit / 2 // for reliances under way, in one answer: who asks waits for stallLimit
	hearTime   = time.Minute    // likewise, in all answers to one hearing
)

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

// begun is the number of the last one that began.
func (r *reliances) begun() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.all.Begun()
}

// settle waits until all reliances up to a number have ended; false when ctx ends first.
func (r *reliances) settle(ctx context.Context, upTo uint64) bool {
	r.mu.Lock()
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

// lapse makes a promise, and gives the number up to which reliances may have begun before it.
func (m *Map) lapse(counter uint64) (upTo uint64) {
	m.own.lapse(min(counter, m.greatest())) // what it writes from now on is beyond that
	return m.reliances.begun()
}

// Lapse does for this registry itself what Hear asks of a member: no reliance that begins from
// now on counts on a version up to counter, and those under way have ended when it returns
// without an error. The error is ErrBusy, when ctx ends, or after a minute.
func (m *Map) Lapse(ctx context.Context, counter uint64) error {
	ctx, cancel := context.WithTimeout(ctx, hearTime)
	defer cancel()
	if !m.reliances.settle(ctx, m.lapse(counter)) {
		return ErrBusy
	}
	return nil
}

// lapsed does it for a member, which may ask again with the ticket when it is not done: then
// only those are waited for that had begun when it first asked.
func (m *Map) lapsed(counter uint64, ticket string) (done bool, next string) {
	upTo := m.lapse(counter)
	if number, ok := strings.CutPrefix(ticket, m.nonce+"-"); ok { // of this run
		if n, err := strconv.ParseUint(number, 10, 64); err == nil {
			upTo = min(upTo, n)
		}
	}
	ctx, cancel := context.WithTimeout(m.ctx, settleWait)
	defer cancel()
	return m.reliances.settle(ctx, upTo), fmt.Sprintf("%s-%d", m.nonce, upTo)
}
