package ack

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
)

const (
	// hedge is how long a member may say nothing until one more is asked, by default. One that is
	// at work has besides the time that the bytes take at slowRate.
	hedge    = 250 * time.Millisecond
	slowRate = 8 << 20 // bytes a second
	// askAgain is after how long a member that failed is asked again.
	askAgain = time.Second
)

// question is whether one blob is on enough disks.
type question struct {
	cfg   Config
	line  *lineup
	blob  Blob
	heads []cid.Cid
	here  bool // it is on this disk
	need  int  // others that have to keep it; with those, if it is not here, this registry itself

	wake chan struct{}
	wg   sync.WaitGroup // of those being asked

	mu    sync.Mutex
	asked []*asking
}

// asking is a member that was asked.
type asking struct {
	id    peer.ID
	since time.Time
	taken bool // it said that it is at work
	kept  bool
	err   error // it failed
	last  error // it failed before
}

func newQuestion(a *Acks, b Blob, heads []cid.Cid) *question {
	q := &question{cfg: a.cfg, line: &a.line, blob: b, heads: heads, need: a.cfg.Copies, wake: make(chan struct{}, 1)}
	if q.here = inline(b.Ref) || q.cfg.Here(b.Ref); q.here {
		q.need--
	}
	return q
}

// run asks until enough members keep the blob; a *Lack when they do not, until ctx ends. When it
// returns, nobody is being asked any more.
func (q *question) run(ctx context.Context) error {
	defer q.wg.Wait()
	asking, cancel := context.WithCancel(ctx)
	defer cancel()
	tick := time.NewTicker(hedge)
	defer tick.Stop()
	for {
		members := q.cfg.Members()
		if q.askMore(asking, members); q.enough() {
			return nil
		}
		if q.hopeless(members) {
			return q.lack(members)
		}
		select {
		case <-q.wake:
		case <-tick.C:
		case <-ctx.Done():
			return q.lack(members)
		}
	}
}

func (q *question) enough() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.kept() >= q.need
}

// kept counts the members that keep the blob; mu is held.
func (q *question) kept() (n int) {
	for _, m := range q.asked {
		if m.kept {
			n++
		}
	}
	return n
}

// askMore asks as many members as are missing.
func (q *question) askMore(ctx context.Context, members Members) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	missing := q.need
	for _, m := range q.asked {
		if m.kept || m.err == nil && now.Sub(m.since) < q.patience(m) {
			missing--
		}
	}
	if missing <= 0 {
		return
	}
	for _, id := range q.order(members) {
		if missing <= 0 {
			return
		}
		if q.ask(ctx, id, now) {
			missing--
		}
	}
}

// order is that of candidates. A blob that is not here is fetched when the others are too few: a
// client may have found it on one of them, and pushed none of it.
func (q *question) order(members Members) []peer.ID {
	ids := q.line.candidates(members, q.blob)
	if !q.here {
		ids = append(ids, members.Self.ID)
	}
	return ids
}

// patience is how long a member may take until another one is asked as well.
func (q *question) patience(m *asking) time.Duration {
	if !m.taken {
		return q.cfg.Hedge
	}
	return q.cfg.Hedge + time.Duration(float64(q.blob.Size)/slowRate*float64(time.Second))
}

// ask asks a member, unless it was asked and did not fail, or a moment ago; mu is held.
func (q *question) ask(ctx context.Context, id peer.ID, now time.Time) bool {
	m := &asking{id: id, since: now}
	if i := slices.IndexFunc(q.asked, func(m *asking) bool { return m.id == id }); i >= 0 {
		before := q.asked[i]
		if before.err == nil || q.cfg.Declined(before.err) || now.Sub(before.since) < askAgain {
			return false
		}
		m.last = before.err
		q.asked = slices.Delete(q.asked, i, i+1)
	}
	q.asked = append(q.asked, m)
	q.wg.Go(func() {
		err := q.cfg.Ask(ctx, id, q.blob.Ref, q.blob.Early.at(id), q.heads, func() { q.note(func() { m.taken = true }) })
		if ctx.Err() != nil && err != nil {
			return // it was no longer waited for
		}
		q.note(func() { m.kept, m.err = err == nil, err })
	})
	return true
}

// note notes what a member answered.
func (q *question) note(what func()) {
	q.mu.Lock()
	what()
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// hopeless reports whether waiting is of no use: there are too few members, also of those that are
// away, or too many of them are to be switched off for good or have declined.
func (q *question) hopeless(members Members) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	able := members.Lasting()
	for _, m := range q.asked {
		going := slices.Contains(members.Draining, m.id)
		switch {
		case going && m.kept:
			able++
		case !going && m.err != nil && q.cfg.Declined(m.err):
			able--
		}
	}
	if !q.here {
		able++
	}
	return able < q.need
}
