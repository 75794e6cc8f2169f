package fetch

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/dag"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/holders"
	"github.com/distribution-ipfs/distribution-ipfs/driver/internal/transfer/wire"
)

// search is the state of asking the members which of them hold the blob.
type search struct {
	all     bool          // every member has been asked at least once
	under   bool          // a question is under way
	looked  time.Time     // when the coordinator last looked at which members are connected
	due     time.Time     // when to ask the same members again
	pause   time.Duration // how long to wait for that the next time
	members []peer.ID     // that were asked last, sorted
}

// seek asks the members while holders are lacking, and asks at once when a different set of
// members is connected. It returns how long to wait before seeking again.
func (c *coordinator) seek(now time.Time) time.Duration {
	s, t := &c.search, c.j.f.Timing
	if left := max(t.Retry-now.Sub(s.looked), c.awaitsLikely(now)); left > 0 {
		return left
	}
	if s.under {
		return t.Retry
	}
	s.looked = now
	c.unsaid = true // a holder that rested may be asked again, too
	members := sorted(c.j.f.Holders.Connected())
	switch {
	case c.roster.Enough(now):
		s.pause = t.Retry
	case !slices.Equal(s.members, members) || !now.Before(s.due):
		s.pause = max(s.pause, t.Retry)
		s.due = now.Add(s.pause)
		s.pause = min(2*s.pause, t.Backoff)
		s.under = true
		c.wg.Go(func() { c.j.ask(s.all) })
	}
	return t.Retry
}

// awaitsLikely is how long the likeliest holder still has before other members are asked: in a
// transfer that no reader waits for, and for a blob of one leaf, of which the likeliest holder is
// asked for the bytes at once. A manifest is fetched by every registry at once: if each asked
// all the others, the cost of a push would grow with the square of their number. In a pull of
// many small layers, questions would take as many connections as the bytes do.
func (c *coordinator) awaitsLikely(now time.Time) time.Duration {
	likely := c.j.why.Likely
	switch {
	case c.j.small():
		likely = c.presumed
	case !c.j.use.background.Load():
		return 0
	}
	if !c.roster.Holds(likely) || c.roster.Failed(likely) {
		return 0
	}
	wait := c.j.f.Timing.Retry
	if !c.j.use.background.Load() {
		wait = c.j.f.Timing.Hedge
	}
	return wait - now.Sub(c.j.meter.born)
}

// asked applies what a question has shown.
func (s *search) asked(c *coordinator, e asked) {
	for _, id := range e.ids {
		c.asked[id] = true
	}
	if !e.answers {
		return
	}
	s.under = false
	s.all, s.members = true, sorted(e.ids)
	c.unsaid = true
	c.despair(e.silent)
}

// despair fails the job early when every member has said that it has nothing. While a member has
// failed or has not answered, the job waits until it stalls, because that member may come back.
func (c *coordinator) despair(silent bool) {
	m := &c.j.meter
	if !silent && !c.hopesForSwap() && c.roster.Empty(c.absent()) && !c.hashing && m.held.Load() == 0 &&
		m.still() >= c.j.f.Timing.Nobody {
		c.j.cancel(ErrNobody)
	}
}

// ask asks every member for the blob, and tells them that it is being fetched here. Each answer
// is passed on as it comes, so that a holder can be used at once.
func (j *Job) ask(again bool) {
	age := holders.RememberFor // somebody else may have asked the same a moment ago
	if again {
		age = 0
	}
	tell := j.ref.Size > dag.LeafSize && j.passage == nil
	q := j.f.Holders.Ask(j.ref, age, tell)
	if q != nil {
		j.hear(q)
	}
	if q != nil && tell && !q.Telling() && j.ctx.Err() == nil {
		if q = j.f.Holders.Ask(j.ref, 0, tell); q != nil {
			j.hear(q)
		}
	}
	if q != nil { // else this registry is stopping
		_, _, silent := q.Answers()
		j.send(asked{ids: q.Asked(), answers: true, silent: silent})
	}
}

// hear passes the answers to a question on as they come.
func (j *Job) hear(q *holders.Question) {
	j.send(asked{ids: q.Asked()})
	noted := map[peer.ID]bool{}
	for over := false; !over; {
		changed := q.Changed()
		select {
		case <-q.Done():
			over = true
		default:
		}
		j.note(q, noted)
		if over {
			return
		}
		select {
		case <-changed:
		case <-q.Done():
		case <-j.ctx.Done():
			return
		}
	}
}

// note passes on the answers so far, each only once: a registry in mid-transfer has more and more
// leaves, and its old answer must not replace what it has said since.
func (j *Job) note(q *holders.Question, noted map[peer.ID]bool) {
	whole, some, _ := q.Answers()
	for _, id := range whole {
		some[id] = nil
	}
	for id, p := range some {
		if !noted[id] {
			j.send(answered{id, p})
		}
		noted[id] = true
	}
}

func sorted(ids []peer.ID) []peer.ID {
	ids = slices.Clone(ids)
	slices.Sort(ids)
	return ids
}

// polls is the state of asking other registries that fetch the blob which leaves they have by
// now.
type polls struct {
	under bool          // a poll is under way
	last  time.Time     // when the last one ended
	pause time.Duration // until the next one
}

func (p *polls) done(c *coordinator) {
	p.under, p.last, p.pause = false, time.Now(), Jitter(c.j.f.Timing.Poll)
}

// poll asks them again after a pause, which is shorter while a worker has nothing to do. It returns
// how long to wait before looking again.
func (c *coordinator) poll(now time.Time) time.Duration {
	p := &c.polls
	if p.last.IsZero() {
		p.done(c)
	}
	if p.under || c.first.phase(c, now) < allWorkers || dag.LeavesOf(c.j.ref.Size) == 1 || c.j.passage != nil {
		return c.j.f.Timing.Poll
	}
	pause := p.pause
	if c.idle {
		pause /= 3
	}
	if left := pause - now.Sub(p.last); left > 0 {
		return left
	}
	p.under = true
	ids := c.roster.Fetchers(now, maxPolled)
	c.wg.Go(func() {
		var wg sync.WaitGroup
		for _, id := range ids {
			wg.Go(func() { c.j.askHave(id) })
		}
		wg.Wait()
		c.j.send(polled{})
	})
	return pause
}

func (j *Job) askHave(id peer.ID) {
	ctx, cancel := context.WithTimeoutCause(j.ctx, j.f.Timing.Ask, wire.ErrSilent)
	defer cancel()
	have, err := j.f.Client.Have(ctx, id, j.ref)
	if j.ctx.Err() == nil {
		j.send(heard{id, have, err})
	}
}
